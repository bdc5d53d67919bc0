"""Joining a Ray that is there, and settings of the user's environment that are not borne."""

import logging
import socket
from pathlib import Path

import pytest
import ray
from ray._private import ray_constants

from orchestrator.runtime import ray_cluster
from orchestrator.runtime.lost_ray import RayLostError
from orchestrator.runtime.ray_cluster import _is_not_told_otherwise
from tests.orchestrator.shared_ray import SHORT_WAITS
from trainables.errors import InputError

# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"RAY_AUTH_TOKEN": "another"}, "asks for a token"),
        ({"RAY_AUTH_MODE": "disabled"}, "asks for a token"),
        ({"RAY_AUTH_TOKEN": ""}, "asks for a token"),
    ],
)
def test_a_cluster_that_asks_for_a_token_is_a_sentence(
    address, settings, reason, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(ray_constants, "NUM_REDIS_GET_RETRIES", 2)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=reason) as refused, ray_cluster.connected(address):
        pytest.fail("was let in")
    assert "RAY_AUTH_TOKEN_PATH" in str(refused.value) and address in str(refused.value)


@pytest.mark.ray
def test_an_address_where_nothing_answers_is_a_sentence(monkeypatch) -> None:
    monkeypatch.setattr(ray_constants, "NUM_REDIS_GET_RETRIES", 1)
    for name, value in SHORT_WAITS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        nowhere = "{}:{}".format(*taken.getsockname())
        with pytest.raises(InputError, match="no Ray .* answers there"), ray_cluster.connected(nowhere):
            pytest.fail("was let in")


@pytest.mark.parametrize("name", ray_cluster._UNPICKLING)
def test_a_setting_that_lets_data_run_code_is_refused(name, run_here, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(name, "1")
    done = run_here("sweep", "vmf_vs_mdn", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {name} is 1 in the environment") and done.stderr.count("\n") == 1


def test_ray_reads_those_settings_under_these_names() -> None:
    sources = [path.read_text() for path in (Path(ray.__file__).parent / "data").rglob("*.py")]
    for name in ray_cluster._UNPICKLING:
        assert any(f'"{name}"' in source for source in sources), name


@pytest.mark.parametrize(("problem", "lines"), [(RayLostError("lost"), 0), (RuntimeError("a fault"), 2)])
def test_ray_data_logs_no_traceback_of_what_has_a_sentence_of_its_own(problem, lines):
    from ray.data.exceptions import omit_traceback_stdout

    said, logger = [], logging.getLogger("ray.data.exceptions")
    handler = logging.Handler()
    handler.emit = said.append
    logger.addHandler(handler)
    logger.addFilter(_is_not_told_otherwise)
    try:

        @omit_traceback_stdout
        def works():
            raise problem

        with pytest.raises(type(problem)):
            works()
    finally:
        logger.removeHandler(handler)
        logger.removeFilter(_is_not_told_otherwise)
    assert len(said) == lines


def test_a_private_ray_that_does_not_come_up_is_a_sentence(monkeypatch) -> None:
    def late(**_options):
        raise Exception("The current node timed out during startup. Perhaps the raylet failed.\nMore of it.")

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(RayLostError, match="timed out during startup") as refused:
        ray_cluster._init(None, {})
    assert "run the command again" in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(Exception, match="More of it"):
        ray_cluster._init("auto", {})
