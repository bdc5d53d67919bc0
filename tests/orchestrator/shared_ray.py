"""A Ray in a process of its own, for all tests that need one and are not about starting it.

Ray ends with the process that started it, and that one ends once its standard input does: also when the tests
were interrupted or killed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.runtime.ray_cluster import connected
from orchestrator.runtime.ray_internals import LOOPBACK

REPOSITORY = Path(__file__).resolve().parents[2]
# Of a process that looks for a Ray where there is none; by default it looks for 40 s.
SHORT_WAITS = {"RAY_py_gcs_connect_timeout_s": "1", "RAY_gcs_rpc_server_connect_timeout_s": "1"}


@contextmanager
def shared_ray() -> Iterator[str]:
    """The address of a Ray, which is there until the end of the block, or of this process.

    Within the block the environment says what it takes to join it.
    """
    line = [sys.executable, "-m", __name__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # In a session of its own, so that Ctrl-C reaches the tests first.
    with subprocess.Popen(line, cwd=REPOSITORY, text=True, start_new_session=True, **pipes) as holder:
        address, _, token = holder.stdout.readline().strip().partition(" ")
        assert token, "Ray did not start"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in admission(token).items():
                patch.setenv(name, value)
            yield address


def admission(token: str) -> dict[str, str]:
    """What the environment of a process says that joins a private Ray, as no process of a user does."""
    return LOOPBACK | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


def joining(address: str, module: str) -> list[str]:
    """The start of a command line: a command that would start a Ray of its own, on one that is there."""
    program = f"""
import runpy
from orchestrator.runtime import ray_cluster
connected = ray_cluster.connected
ray_cluster.connected = lambda _: connected({address!r})
runpy.run_module({module!r}, run_name="__main__")
"""
    return [sys.executable, "-c", program]


def main() -> None:
    """Start Ray, print its address and its token, and hold it until nobody is left who could ask for it."""
    import ray

    with connected(None):
        print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
