"""Ray, started or joined without its messages, and the devices that it offers."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.runtime.autoscaler import autoscaled_resources
from orchestrator.runtime.interrupts import interrupt_on_signals, interrupted_afterwards
from orchestrator.runtime.lost_ray import RayLostError, ended_with_ray
from orchestrator.runtime.own_environment import own_environment
from orchestrator.runtime.private_ray import private_environment
from orchestrator.runtime.ray_internals import (
    is_for_want_of_token,
    no_handler_of_sigterm,
    read_environment_again,
)
from orchestrator.runtime.socket_folder import short_socket_folder
from trainables.errors import InputError, reason_of

RETRIES = 2  # of a trial or a job whose process or machine was lost
# Read by Ray as it is imported, here and in its processes.
_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal records, not a CSV file per trial
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # the searcher limits itself; else actors start one by one
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C must reach the driver, which closes journal and MLflow run
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's restore files are not relied on
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "worker processes have been started",  # as they should on a small machine
    "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": "240",  # 30 s are not enough on two busy cores
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # the default of 2 s is a tenth of a short trial
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}
# With any of these Ray Data runs what a file of data holds, as Ray 2.53 always did.
_UNPICKLING = (
    "RAY_DATA_AUTOLOAD_CLOUDPICKLE_TENSOR_METADATA",
    "RAY_DATA_AUTOLOAD_PICKLE_OBJECT_SCALAR",
    "RAY_DATA_WEBDATASET_ALLOW_UNSAFE_DESERIALIZATION",
)


def set_ray_environment() -> None:
    """Put Ray's settings into the environment; to be called before anything imports Ray.

    Raises:
        InputError: the environment asks Ray Data to run what files of data hold. That is not unset here: the
            machines of a cluster have environments of their own, and may have been asked the same. Or this
            user has no home folder.
    """
    try:
        Path.home()
    except RuntimeError:  # Ray asks as it is imported
        raise InputError(
            "this user has no home folder, where Ray looks for settings; set HOME to a folder of yours"
        ) from None
    for name in _UNPICKLING:
        if value := os.environ.get(name):
            raise InputError(
                f"{name} is {value} in the environment, which lets files of data run code as Ray reads them; "
                "unset it here, and on every machine of a cluster"
            )
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True)
class Cluster:
    """The cores, GPUs and machines of a cluster, with those that its autoscaler may add."""

    cpus: int
    gpus: int
    nodes: int

    @property
    def devices(self) -> int:
        """Packs that can train side by side: one per GPU where there are any, else one per core."""
        return self.gpus or max(1, self.cpus)

    def __str__(self) -> str:
        what = f"{self.gpus} GPU{'s' * (self.gpus != 1)}" if self.gpus else f"{self.cpus} CPU cores"
        return f"{what} on {self.nodes} machine{'s' * (self.nodes != 1)}"


@contextmanager
def connected(address: str | None, *, state_api: bool = False) -> Iterator[Cluster]:
    """Ray for a while: a private one on this machine, or the cluster at ``address`` ("auto" finds it).

    A private Ray listens on loopback alone and asks for a token of its own; a cluster is asked with the token
    that the environment or ``~/.ray/auth_token`` holds, as Ray itself would.

    ``state_api`` starts a private Ray's dashboard: Ray Train asks it whether a job that went away has left
    its placement group behind, in the way of the next one. Nothing else needs it, and its nine processes cost
    two cores ten seconds.

    Raises:
        InputError: no cluster answers at ``address``, or it asks for a token that this process has not.
    """
    set_ray_environment()
    import ray
    import ray.data  # sets up its logging as it is imported

    _hush(logging.getLogger("ray"))
    private = {"include_dashboard": state_api, "dashboard_host": "127.0.0.1"}
    options = {"runtime_env": own_environment()} if address else private
    interrupt_on_signals()
    private_folder = nullcontext() if address else short_socket_folder()
    with private_folder, nullcontext() if address else private_environment():
        read_environment_again()
        try:
            _init(address, options)
            _hush(*(logging.getLogger(name) for name in ("ray", "ray.data")))
            # A worker that is lost is trained again, or its loss is said by what ends: no traceback besides.
            _hush(*(logging.getLogger(name) for name in ("ray.tune", "ray.train")), level=logging.CRITICAL)
            logging.getLogger("ray.data.exceptions").addFilter(_is_not_told_otherwise)
            resources = ray.cluster_resources() | (autoscaled_resources() if address else {})
            nodes = sum(node["Alive"] for node in ray.nodes())
            with nullcontext() if address else ended_with_ray():
                yield Cluster(int(resources.get("CPU", 1)), int(resources.get("GPU", 0)), nodes)
        finally:
            ray.shutdown()


def _init(address: str | None, private: dict[str, Any]) -> None:
    import ray
    from ray.exceptions import AuthenticationError

    options = {"log_to_driver": False, "logging_level": logging.ERROR} | private
    try:
        with interrupted_afterwards(), no_handler_of_sigterm():  # a Ray half started would crash at the exit
            ray.init(address=address or "local", **options)
    except InputError:
        raise
    except Exception as error:
        # Where its processes do not come up in time, Ray's has no class of its own.
        if address is None:
            said = reason_of(error).partition("\n")[0].rstrip(".")
            raise RayLostError(
                f"Ray could not be started on this machine ({said}); where the machine is busy with "
                "something else, or one of Ray's processes was killed, run the command again, a sweep with "
                "--resume"
            ) from error
        if not isinstance(error, AuthenticationError | ConnectionError):
            raise
        if is_for_want_of_token(error):
            raise InputError(
                f"--address is {address}, and the Ray there asks for a token that it did not get; set "
                "RAY_AUTH_MODE to token and RAY_AUTH_TOKEN_PATH to a file that holds it (`ray up` puts it at "
                "~/.ray/auth_token)"
            ) from error
        raise InputError(
            f"--address is {address}, and no Ray that this machine belongs to answers there; start the "
            "command on a machine of the cluster, or leave --address out"
        ) from error


def _is_not_told_otherwise(record: logging.LogRecord) -> bool:
    """Whether what is being handled has no sentence of its own, such as that of a Ray that was lost while Ray
    Data was at work: that would log it as a fault in itself, with a traceback.
    """
    return not isinstance(sys.exc_info()[1], InputError)


def _hush(*loggers: logging.Logger, level: int = logging.ERROR) -> None:
    for logger in loggers:
        logger.setLevel(level)
