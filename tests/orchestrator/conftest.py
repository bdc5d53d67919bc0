"""Ray reads its settings as it is imported, so they are put in place before any test module is."""

import subprocess
import sys
from importlib import import_module

import pytest

from orchestrator.runtime.ray_cluster import connected, set_ray_environment
from tests.orchestrator.shared_ray import shared_ray

set_ray_environment()


@pytest.fixture(scope="session")
def address():
    """The address of the one Ray of this process of tests, for all that do not ask for one to be started."""
    with shared_ray() as found:
        yield found


@pytest.fixture(scope="module")
def cluster(address):
    """The same Ray, joined by this process."""
    with connected(address) as found:
        yield found


@pytest.fixture
def run_here(monkeypatch, capsys):
    """A command in this process, for what is asked of it and not of its process: exit code and words."""

    def run(name, *arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as ended:
            import_module(f"orchestrator.{name}").main()
        return subprocess.CompletedProcess(sys.argv, ended.value.code, *capsys.readouterr())

    return run
