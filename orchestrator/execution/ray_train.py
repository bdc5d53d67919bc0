"""Packs on several workers: a Ray Tune function runs a Ray Train job per pack, which shares out the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from orchestrator.datasets.ray_latents import feed_of
from orchestrator.execution.ray_tune import (
    Saver,
    Task,
    failure_text,
    final_report,
    pack_config,
)
from orchestrator.planning.pack import Pack
from orchestrator.runtime.ray_cluster import Cluster
from orchestrator.runtime.ray_internals import raised_by_worker
from orchestrator.runtime.threads import use_one_thread
from orchestrator.runtime.torch_trainer import torch_trainer
from trainables.errors import InputError
from trainables.latents.batching.slots import held_out_share, worker_utterances
from trainables.latents.storage.dataset import Split

DRIVER_CPUS = 0.01  # Tune refuses 0


class StateStore(Protocol):
    """The place outside the workers where the state of a job is kept."""

    def save(self, state: dict[str, Any] | None) -> None:
        """Keep a state in place of the last one."""

    def load(self) -> dict[str, Any] | None:
        """The last state that was kept, or None."""


class TrainContext:
    """A worker of a Ray Train job, as a training loop sees it."""

    def __init__(self, saver: StateStore) -> None:
        here = ray.train.get_context()
        self.rank, self.world_size = here.get_world_rank(), here.get_world_size()
        self.device = ray.train.torch.get_device()
        self._saver = saver

    def prepare(self, module: torch.nn.Module) -> torch.nn.Module:
        """Put a module on this worker's device, its gradients averaged over the workers."""
        return ray.train.torch.prepare_model(module)

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in rank order, on every rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Report from every rank, as Ray Train wants it, and keep the state of the first."""
        if self.rank == 0:
            self._saver.save(state)
        ray.train.report({"progress": json.dumps(progress)})

    def restore(self) -> dict[str, Any] | None:
        """The same state on every rank, though one of them may read it a moment later."""
        return self.gather(self._saver.load() if self.rank == 0 else None)[0]


def run_pack_on_workers(config: Mapping[str, Any], task: Task) -> None:
    """Train one pack on ``task.workers`` workers and pass on the first one's reports, as a Tune function."""
    trainer = torch_trainer(
        _train_on_worker,
        {"pack": config["pack"], "task": task},
        workers=task.workers,
        cpus=task.worker_cpus,
        use_gpu=task.use_gpu,
        name=tune.get_context().get_trial_id(),
        storage=task.scratch,
        callbacks=[TuneReportCallback()],
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        why = cause(error)
        tune.report({"failure": failure_text(why), "refused": isinstance(why, InputError)})


def driver_resources() -> dict[str, float]:
    """Resources of the Tune function itself, which only waits."""
    return {"cpu": DRIVER_CPUS}


def jobs_at_once(cluster: Cluster, workers: int) -> int:
    """The number of jobs of so many workers that the devices can hold, with a core left for reading."""
    room = cluster.gpus if cluster.gpus else cluster.cpus - 1
    return max(1, room // workers)


def worker_cpus(cluster: Cluster, workers: int) -> float:
    """Cores of a worker that leave half a core or more to Ray Data, which otherwise waits for ever."""
    return 1.0 if cluster.cpus > workers else (cluster.cpus - 2 * DRIVER_CPUS) / (2 * workers)


def cause(error: BaseException) -> BaseException:
    """The wrong input that a worker refused, if one did, else the error itself."""
    causes = map(raised_by_worker, getattr(error, "worker_failures", {}).values())
    return next((cause for cause in causes if isinstance(cause, InputError)), error)


def _train_on_worker(config: Mapping[str, Any]) -> None:
    pack, task = Pack.from_json(config["pack"]), config["task"]
    use_one_thread()
    trainable, structure, lanes = pack_config(pack)
    context = TrainContext(Saver(pack, task.depot))
    latents = task.latents_of(structure)
    share = partial(
        worker_utterances,
        batch=structure.batch,
        rank=context.rank,
        world_size=context.world_size,
        lengths=latents.lengths,
        frames=structure.window_frames,
    )
    held_out = partial(held_out_share, rank=context.rank, world_size=context.world_size)
    train, validation, judged = (
        feed_of(
            latents,
            (split,),
            own,
            surrogates=task.surrogates_for(pack),
            device=context.device,
            dtype=getattr(torch, structure.dtype),
        )
        for split, own in (
            (Split.TRAIN, share),
            (Split.VALIDATION, held_out),
            (task.evaluation, held_out),
        )
    )
    results = trainable.train(structure, lanes, train, task.evaluation_of(pack, judged, validation), context)
    ray.train.report(final_report(pack, results, task) if context.rank == 0 else {})
