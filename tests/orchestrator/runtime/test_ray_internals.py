"""What Ray does not promise to keep is still there, in the version that is installed."""

import inspect
import os
import signal
import threading
from importlib.metadata import version

import pyarrow as pa
import pytest
from ray.autoscaler._private import commands
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from orchestrator.execution.ray_train import cause
from orchestrator.runtime.ray_cluster import connected
from orchestrator.runtime.ray_internals import (
    CLUSTER_DESCRIPTION,
    TESTED_WITH,
    arrow_blocks,
    raised_by_worker,
    wait_for_executors,
)
from trainables.errors import InputError

# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_version_of_ray_is_the_one_that_this_was_tested_with():
    minor = ".".join(version("ray").split(".")[:2])
    assert minor == TESTED_WITH, (
        f"Ray {minor} is installed, and orchestrator/runtime/ray_internals.py was tested with {TESTED_WITH}: "
        "look through that file and ray_cluster.py, run the slow tests, then write down the new version there"
    )


def executors():
    return [thread for thread in threading.enumerate() if thread.name.startswith("StreamingExecutor")]


@pytest.mark.timeout(120)
@pytest.mark.ray
def test_sigterm_interrupts_blocks_come_as_tables_and_an_execution_that_is_left_ends(capfd):
    import ray

    tables = [pa.table({"n": [number]}) for number in range(6)]
    with connected(None):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert "SIGTERM" not in capfd.readouterr().err
        rows = ray.data.from_arrow(tables).map_batches(lambda t: t, batch_format="pyarrow", batch_size=None)
        blocks = list(arrow_blocks(rows))
        assert sorted(block["n"][0].as_py() for block in blocks) == list(range(6))
        assert all(isinstance(block, pa.Table) for block in blocks)
        left = arrow_blocks(rows)
        next(left)
        assert executors(), "Ray Data's threads have another name now"
        left.close()
        wait_for_executors()
        assert not executors()


def test_the_error_of_a_worker_comes_out_of_its_wrapper():
    error = InputError("batch is 3; use 4")
    wrapped = UserExceptionWithTraceback(error, "Traceback ...")
    assert raised_by_worker(wrapped) is error
    assert raised_by_worker(error) is error
    assert cause(WorkerGroupError("1 worker failed", {0: ValueError("x"), 1: wrapped})) is error


def test_ray_leaves_the_description_of_a_cluster_where_it_is_looked_for():
    assert f'"{CLUSTER_DESCRIPTION}"' in inspect.getsource(commands)
