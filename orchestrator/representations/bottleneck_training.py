"""A bottleneck trained by Ray Train: Ray Data streams the latents into its workers, a killed job goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ray.train
import torch
from ray.util.queue import Empty, Queue

from orchestrator.datasets.ray_latents import RayLatents, constants, open_rows
from orchestrator.execution.ray_train import TrainContext, WorkerUtterances, cause, worker_cpus
from orchestrator.representations.bottleneck_progress import BottleneckProgress
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.runtime.threads import use_one_thread
from orchestrator.runtime.torch_trainer import torch_trainer
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_training import train_bottleneck
from trainables.latents.derived.mapped_feed import MappedFeed
from trainables.latents.storage.dataset import LatentDataset, Split

if TYPE_CHECKING:
    from ray.train.torch import TorchTrainer
    from rich.console import Console

    from trainables.latents.derived.bottleneck_settings import BottleneckSettings
    from trainables.latents.derived.maps import Map
    from trainables.latents.derived.transform import Learn

TRAINING_SPLITS = (Split.TRAIN, Split.VALIDATION)
_RESULT = "result.pt"
_SECONDS_BETWEEN_LOOKS = 0.5
Watch = Callable[[dict[str, Any]], None]  # is told of each epoch


@dataclass(frozen=True)
class Job:
    """What every worker is told."""

    start: BetaVae
    before: tuple[Map, ...]
    latents: RayLatents
    depot: CheckpointStore
    name: str  # of its state in the depot
    watch: Queue


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
    depot, queue = CheckpointStore(folder), Queue(actor_options={"num_cpus": 0})
    job = Job(start, tuple(before), latents, depot, f"{_fingerprint(start, before, dataset)}.pt", queue)
    trainer = torch_trainer(
        _train_on_worker,
        {"job": job},
        open_rows(latents),
        WorkerUtterances(latents, start.settings.batch, Split.VALIDATION),
        workers=workers,
        cpus=worker_cpus(cluster, workers),
        use_gpu=cluster.gpus > 0,
        name=uuid4().hex,
        storage=str((folder / "ray").resolve()),
    )
    _fit(trainer, queue, watch)
    found = depot.load(_RESULT)
    if found is None:
        raise RuntimeError("the workers ended without a result")
    return start.trained(found["weights"], json.loads(found["outcome"]))


class _Context(TrainContext):
    """A worker that keeps the last state under the job's name, and tells the driver of epochs."""

    def __init__(self, job: Job) -> None:
        super().__init__(_Keeper(job))
        self._watch = job.watch

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        super().report(progress, state)
        if self.rank == 0:
            self._watch.put(progress)


class _Keeper:
    def __init__(self, job: Job) -> None:
        self._depot, self._name = job.depot, job.name

    def save(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            self._depot.save(self._name, state)

    def load(self) -> dict[str, Any] | None:
        return self._depot.load(self._name)


def _train_on_worker(config: Mapping[str, Any]) -> None:
    job: Job = config["job"]
    use_one_thread()
    context = _Context(job)
    train, validation = (
        _source(name, job.latents.ids[split], job, context.device)
        for name, split in zip(("train", "evaluation"), TRAINING_SPLITS, strict=True)
    )
    found = train_bottleneck(job.start, train, validation, context)
    if context.rank == 0:
        weights = {name: torch.from_numpy(values) for name, values in found.weights.items()}
        job.depot.save(_RESULT, {"weights": weights, "outcome": json.dumps(found.outcome)})


def _source(name: str, ids: Sequence[str], job: Job, device: torch.device) -> MappedFeed:
    stream = ray.train.get_dataset_shard(name)
    feed = Feed(
        lambda: stream.iter_batches(batch_format="pyarrow", batch_size=None),
        ids=ids,
        **{**constants(job.latents), "rms": 1.0},
    )
    return MappedFeed(feed, job.before, device)


def _fit(trainer: TorchTrainer, queue: Queue, watch: Watch) -> None:
    """Wait for the trainer in a thread of its own: in the main one it would keep Ctrl-C from the driver."""
    failures: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=fit, name="bottleneck", daemon=True)
    thread.start()
    while thread.is_alive() or queue.size():
        try:
            watch(queue.get(timeout=_SECONDS_BETWEEN_LOOKS))
        except Empty:
            continue
    if failures:
        raise cause(failures[0])


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
    """Of all that decides how training goes; states of anything else are not gone on from."""
    what = [start.count, asdict(start.settings), [step.name for step in before], dataset.content_hash]
    return sha256(json.dumps(what).encode()).hexdigest()[:16]
