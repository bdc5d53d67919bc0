"""A bottleneck trained by Ray Train: Ray Data streams the latents into its workers, a killed job goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ray
import ray.train
import torch
from ray.util.queue import Empty, Queue

from orchestrator.datasets.ray_latents import RayLatents, feed_of
from orchestrator.execution.ray_train import TrainContext, cause, worker_cpus
from orchestrator.representations.bottleneck_progress import BottleneckProgress
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import RETRIES, Cluster, connected
from orchestrator.runtime.threads import use_one_thread
from orchestrator.runtime.torch_trainer import torch_trainer
from trainables.errors import InputError
from trainables.latents.batching.slots import held_out_share, worker_utterances
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_training import train_bottleneck
from trainables.latents.derived.mapped_feed import MappedFeed
from trainables.latents.storage.dataset import LatentDataset, Split

if TYPE_CHECKING:
    from rich.console import Console

    from trainables.latents.derived.bottleneck_settings import BottleneckSettings
    from trainables.latents.derived.maps import Map
    from trainables.latents.derived.transform import Learn

TRAINING_SPLITS = (Split.TRAIN, Split.VALIDATION)
_RESULT = "result.pt"
_SECONDS_BETWEEN_LOOKS = 0.5
Watch = Callable[[dict[str, Any]], None]  # called with the progress of every epoch


@dataclass(frozen=True, kw_only=True)
class BottleneckJob:
    """A bottleneck to be trained, its data, and where its state and its progress go."""

    start: BetaVae
    # Maps that the latents go through before the bottleneck.
    before: tuple[Map, ...]
    latents: RayLatents
    depot: CheckpointStore
    # Under which the depot keeps the state.
    state_name: str
    epochs: Queue


@dataclass(frozen=True, kw_only=True)
class _Workers:
    count: int
    cpus: float
    use_gpu: bool
    # Folder for Ray's own files.
    storage: str


def learner(
    dataset: LatentDataset,
    folder: Path,
    settings: BottleneckSettings,
    workers: int,
    address: str | None,
    says: Console,
) -> Learn:
    """What trains a bottleneck, with a Ray that it starts once there is something to train.

    Raises:
        InputError: so many workers cannot share a batch; when called, that they find no room, or too few
            frames.
    """
    if workers < 1:
        raise InputError(f"--workers is {workers}; it must be at least 1")
    if settings.batch % workers:
        raise InputError(
            f"--workers is {workers}, and a batch of {settings.batch} windows cannot be shared evenly by so "
            "many; use a number that divides it"
        )

    def learn(start: BetaVae, before: Sequence[Map]) -> BetaVae:
        long_enough(dataset, start, before)  # refused before Ray is started
        with (
            BottleneckProgress(start.name, start.settings.epochs, says) as progress,
            connected(address) as cluster,
        ):
            if workers > cluster.devices:
                raise InputError(
                    f"--workers is {workers}, and there are {cluster}; use at most {cluster.devices}"
                )
            return learn_on_cluster(start, before, dataset, folder, cluster, workers, progress.advance)

    return learn


def learn_on_cluster(
    start: BetaVae,
    before: Sequence[Map],
    dataset: LatentDataset,
    folder: Path,
    cluster: Cluster,
    workers: int,
    watch: Watch,
) -> BetaVae:
    """Train ``start`` on the dataset's training speakers, on one worker or many, to the same end.

    After every epoch the state lies in ``folder``, and the same job goes on from there.

    Raises:
        InputError: the data are too few, or a worker refused them.
    """
    latents = replace(RayLatents.of(dataset, TRAINING_SPLITS), ids=long_enough(dataset, start, before))
    job = BottleneckJob(
        start=start,
        before=tuple(before),
        latents=latents,
        depot=CheckpointStore(folder),
        state_name=f"{_fingerprint(start, before, dataset)}.pt",
        epochs=Queue(actor_options={"num_cpus": 0}),
    )
    share = _Workers(
        count=workers,
        cpus=worker_cpus(cluster, workers),
        use_gpu=cluster.gpus > 0,
        storage=str((folder / "ray").resolve()),
    )
    # Not in this process: Ctrl-C has to reach the driver, and a thread that still waited for Ray while Ray is
    # shut down would crash it.
    training = ray.remote(_train).options(num_cpus=0, max_retries=RETRIES).remote(job, share)
    while not ray.wait([training], timeout=0)[0] or job.epochs.size():
        try:
            watch(job.epochs.get(timeout=_SECONDS_BETWEEN_LOOKS))
        except Empty:
            continue
    ray.get(training)
    result = job.depot.load(_RESULT)
    if result is None:
        raise RuntimeError("the workers ended without a result")
    return start.trained(result["weights"], json.loads(result["outcome"]))


def _train(job: BottleneckJob, workers: _Workers) -> None:
    """Run the job to its end, as a Ray task."""
    trainer = torch_trainer(
        _train_on_worker,
        {"job": job},
        workers=workers.count,
        cpus=workers.cpus,
        use_gpu=workers.use_gpu,
        name=uuid4().hex,
        storage=workers.storage,
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise cause(error) from None


class _Context(TrainContext):
    """A worker that keeps the last state under the job's name, and tells the driver of epochs."""

    def __init__(self, job: BottleneckJob) -> None:
        super().__init__(_Keeper(job))
        self._epochs = job.epochs

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        super().report(progress, state)
        if self.rank == 0:
            self._epochs.put(progress)


class _Keeper:
    def __init__(self, job: BottleneckJob) -> None:
        self._depot, self._name = job.depot, job.state_name

    def save(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            self._depot.save(self._name, state)

    def load(self) -> dict[str, Any] | None:
        return self._depot.load(self._name)


def _train_on_worker(config: Mapping[str, Any]) -> None:
    job: BottleneckJob = config["job"]
    use_one_thread()
    context = _Context(job)
    share = partial(
        worker_utterances,
        batch=job.start.settings.batch,
        rank=context.rank,
        world_size=context.world_size,
    )
    train, validation = (
        MappedFeed(feed_of(job.latents, (split,), own, rms=1.0), job.before, context.device)
        for split, own in (
            (Split.TRAIN, share),
            (Split.VALIDATION, partial(held_out_share, rank=context.rank, world_size=context.world_size)),
        )
    )
    trained = train_bottleneck(job.start, train, validation, context)
    if context.rank == 0:
        weights = {name: torch.from_numpy(values) for name, values in trained.weights.items()}
        job.depot.save(_RESULT, {"weights": weights, "outcome": json.dumps(trained.outcome)})


def long_enough(dataset: LatentDataset, start: BetaVae, before: Sequence[Map]) -> dict[str, list[str]]:
    """By split, those utterances alone that hold a window.

    Raises:
        InputError: a split has none of them.
    """
    rate = 1
    for step in before:
        rate *= step.rate
    needed = rate * start.settings.frames
    rows = dataset.index.select(["utterance_id", "num_frames"]).to_pylist()
    long = {row["utterance_id"] for row in rows if row["num_frames"] >= needed}
    ids: dict[str, list[str]] = {
        split: [i for i in dataset.utterances(split) if i in long] for split in TRAINING_SPLITS
    }
    for split, purpose in zip(TRAINING_SPLITS, ("to learn from", "to choose when to stop"), strict=True):
        if not ids[split]:
            raise InputError(
                f"{dataset.root} has no {split} utterance of {needed} frames, which {start.name} needs "
                f"{purpose}; encode more speakers, or longer utterances, into it"
            )
    return ids


def _fingerprint(start: BetaVae, before: Sequence[Map], dataset: LatentDataset) -> str:
    """A hash of all that decides how training goes; a state of another hash is not gone on from."""
    deciding = [start.count, asdict(start.settings), [step.name for step in before], dataset.content_hash]
    return sha256(json.dumps(deciding).encode()).hexdigest()[:16]
