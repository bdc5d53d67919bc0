"""What is used of Ray though Ray does not promise to keep it; tested with one version of Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ray.data

TESTED_WITH = "2.60"  # the minor version of Ray
# Where `ray up` leaves the description of a cluster on its head, for the autoscaler (JSON, despite its name).
CLUSTER_DESCRIPTION = Path("~/ray_bootstrap_config.yaml")
# What keeps a Ray on loopback: it was made for laptops whose firewalls ask, and has the same effect on Linux.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_SECONDS_TO_END = 60  # of a thread that has nothing left to do


def arrow_blocks(dataset: ray.data.Dataset) -> Iterator[Any]:
    """The blocks of a dataset as Arrow tables, one by one and as they come, fetched in this thread.

    ``iter_batches`` would fetch ahead in a thread that no interrupt can stop. Closing the iterator ends the
    execution; left to garbage collection, one that an interrupt's traceback still holds would be ended after
    Ray itself, which then complains.
    """
    import ray

    executor = dataset._create_executor()
    try:
        for bundle in dataset._build_bundle_iterator(executor):
            for block in bundle.block_refs:
                yield ray.get(block)
    finally:
        executor.shutdown(force=False)


@contextmanager
def no_handler_of_sigterm() -> Iterator[None]:
    """Keep ``ray.init`` from letting SIGTERM kill Ray's processes while this one still talks to them."""
    import ray._private.utils

    before = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = before


def read_environment_again() -> None:
    """Let Ray, imported already, follow what the environment says now of its token and of loopback."""
    from ray._private import ray_constants
    from ray._private.authentication.authentication_token_setup import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    (name,) = LOOPBACK
    ray_constants.ENABLE_RAY_CLUSTER = ray_constants.env_bool(name, not ray_constants.IS_WINDOWS_OR_OSX)


def is_for_want_of_token(failure: BaseException) -> bool:
    """Whether a cluster was not joined because this process has no token of it, or another one.

    Ray itself says so in an error of its own, or only in the text of what lies behind a failed connection.
    """
    from ray.exceptions import AuthenticationError

    wanted = AuthenticationError.__name__
    return isinstance(failure, AuthenticationError) or wanted in str(failure.__cause__)


def wait_for_executors() -> None:
    """Wait for Ray Data's threads: one that calls Ray after its shutdown makes this process exit with 1."""
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(timeout=_SECONDS_TO_END)


def raised_by_worker(failure: BaseException) -> BaseException:
    """What a Ray Train worker itself raised, out of the wrapper in which Ray Train hands it over."""
    return getattr(failure, "_base_exc", failure)


def unmet_demands() -> str:
    """What Ray has been asked for and cannot place, and what it says of the machines that it has ordered.

    Empty where nothing waits, or Ray does not say.
    """
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    try:
        status = get_cluster_status(ray.get_runtime_context().gcs_address, timeout=2)
    except Exception:  # a cluster that is too busy to say; what ails it shows elsewhere
        return ""
    demands = status.resource_demands
    waiting = [*demands.placement_group_demand, *demands.ray_task_actor_demand]
    bundles = [f"{b.count} x {dict(b.bundle)}" for demand in waiting for b in demand.bundles_by_count]
    if not bundles:
        return ""
    ordered = [f"{each.count} {each.ray_node_type_name} ordered" for each in status.pending_launches]
    ordered += [
        f"{node.ray_node_type_name} {node.node_status or 'starting'}" for node in status.pending_nodes
    ]
    failed = [f"{each.ray_node_type_name} failed: {each.details}" for each in status.failed_launches]
    return "; ".join([f"waiting for {', '.join(sorted(set(bundles)))}", *ordered, *failed])
