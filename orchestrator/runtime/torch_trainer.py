"""A Ray Train job of torch workers, set up the same way for whatever is trained on several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray.train
from ray.train.torch import TorchTrainer

from orchestrator.runtime.ray_cluster import RETRIES


def torch_trainer(
    train_on_worker: Callable[[Mapping[str, Any]], None],
    config: Mapping[str, Any],
    *,
    workers: int,
    cpus: float,
    use_gpu: bool,
    name: str,
    storage: str,
    callbacks: Sequence[ray.train.UserCallback] = (),
) -> TorchTrainer:
    """A job that calls ``train_on_worker(config)`` on every worker, and again where one is lost.

    Args:
        cpus: cores of one worker, which has a whole GPU if ``use_gpu``.
        name: of the job; one of a name that ``storage`` knows would go on from Ray's own files.
        storage: folder for Ray's own files.
    """
    return TorchTrainer(
        train_on_worker,
        train_loop_config=dict(config),
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": cpus, **({"GPU": 1} if use_gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=storage,
            callbacks=list(callbacks),
            failure_config=ray.train.FailureConfig(max_failures=RETRIES),
        ),
    )
