"""Packs on reused Ray Tune actors: one pack per device at a time; the shard stays for the next pack."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import torch
from ray import tune
from ray.exceptions import RayError

from orchestrator.datasets.ray_latents import RayLatents, feed
from orchestrator.execution.pack_watch import PackWatch
from orchestrator.planning.pack import Pack
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import RETRIES, Cluster
from orchestrator.runtime.threads import use_one_thread
from trainables.contract import Evaluation, Trainable
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import PLANTS, SURROGATES, Surrogate
from trainables.latents.storage.dataset import Split
from trainables.predictor.training.lane_result import LaneResult

if TYPE_CHECKING:
    from orchestrator.execution.search import PackSearcher  # Optuna is the driver's business

_SECONDS_BETWEEN_CHECKPOINTS = 5.0
_BYTES_PER_VALUE = 4  # of frames, in the precision that lanes have unasked


@dataclass(frozen=True, kw_only=True)
class Task:
    """The settings that the packs of one phase have in common."""

    latents: Mapping[str, RayLatents]  # by representation; under no name, of lanes that name none
    evaluation: Split  # the speakers that judge: VALIDATION while exploring, TEST once at the end
    depot: CheckpointStore
    scratch: str  # where Ray Train may put its own files
    workers: int = 1
    worker_cpus: float = 1.0
    use_gpu: bool = False
    thorough: bool = True  # whether all that can be measured is measured at the end
    nulls: bool = True  # whether a confirmation trains on surrogates too; ablations do not

    @property
    def confirms(self) -> bool:
        """Whether the packs are judged on test speakers; their weights are then kept."""
        return self.evaluation == Split.TEST

    def surrogates_for(self, pack: Pack) -> tuple[Surrogate, ...]:
        """The real frames, and the nulls or the plants that lanes may be trained on."""
        if is_planted(pack):
            return (Surrogate.REAL, *PLANTS)
        return SURROGATES if self.confirms and self.nulls else (Surrogate.REAL,)

    def latents_of(self, structure: Any) -> RayLatents:
        """The latents that lanes of a structure learn from."""
        return self.latents[structure.representation]

    def evaluation_of(self, pack: Pack, judged: Feed, held_out: Feed) -> Evaluation:
        """What a pack is judged on, in the frames of some feeds."""
        trainable, structure, lanes = pack_config(pack)
        latents = self.latents_of(structure)
        wanted = {each for lane in lanes for each in trainable.auxiliaries(structure, lane)}
        known = latents.auxiliaries
        return Evaluation(
            judged=judged,
            held_out=held_out,
            exploring=not self.confirms,
            thorough=self.thorough,
            flows=latents.frame_flows(),
            tracks=latents.frame_tracks(Split.TRAIN, self.evaluation),
            codec=latents.codec,
            rms=latents.rms,
            world=latents.world,
            auxiliaries={each: ray.get(known[each]) for each in wanted if each in known},
        )


class TuneContext:
    """A training loop's only rank, in a Tune actor: progress goes to Tune, states to the checkpoint store."""

    rank, world_size = 0, 1

    def __init__(self, pack: Pack, depot: CheckpointStore, device: torch.device) -> None:
        self.device = device
        self._saver = Saver(pack, depot)

    def prepare(self, module: torch.nn.Module) -> torch.nn.Module:
        """Put a module on this actor's device."""
        return module.to(self.device)

    def gather(self, value: Any) -> list[Any]:
        """The value of the only rank, in a list."""
        return [value]

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Keep the state, then report: an epoch that Tune knows of is not lost."""
        self._saver.save(state)
        tune.report({"progress": json.dumps(progress)})

    def restore(self) -> dict[str, Any] | None:
        """The state that a lost process, or a killed sweep, has left, or None."""
        return self._saver.load()


class Saver:
    """Keeps the state of a pack in training in the checkpoint store from time to time."""

    def __init__(self, pack: Pack, depot: CheckpointStore) -> None:
        self._name, self._depot, self._last = f"packs/{pack.fingerprint}.pt", depot, time.monotonic()

    def save(self, state: dict[str, Any] | None) -> None:
        """Keep a state unless one was kept a moment ago."""
        if state is not None and time.monotonic() - self._last >= _SECONDS_BETWEEN_CHECKPOINTS:
            self._depot.save(self._name, state)
            self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state that was kept, or None."""
        return self._depot.load(self._name)

    def drop(self) -> None:
        """Delete the state of a pack that is done."""
        self._depot.drop(self._name)


def run_pack(config: Mapping[str, Any], task: Task) -> None:
    """Train one pack in this actor and report its lanes, as a Tune function."""
    pack = Pack.from_json(config["pack"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    use_one_thread()
    try:
        trainable, structure, lanes = pack_config(pack)
        dtype, latents = getattr(torch, structure.dtype), task.latents_of(structure)
        train, judged, held_out = (
            feed(latents, split, task.surrogates_for(pack), device, dtype)
            for split in (Split.TRAIN, task.evaluation, Split.VALIDATION)
        )
        evaluation = task.evaluation_of(pack, judged, held_out)
        results = trainable.train(structure, lanes, train, evaluation, TuneContext(pack, task.depot, device))
    except Exception as error:
        if isinstance(error, RayError) and not isinstance(error, InputError):
            raise  # something was lost; Tune runs the pack again
        # It would fail the same way again.
        tune.report({"failure": failure_text(error), "refused": isinstance(error, InputError)})
    else:
        tune.report(final_report(pack, results, task))


def pack_config(pack: Pack) -> tuple[Trainable, Any, list[Any]]:
    """What a pack runs, its structure and the settings of its lanes."""
    first = pack.configs[0]
    return first.trainable, first.structure, [config.lane for config in pack.configs]


def is_planted(pack: Pack) -> bool:
    """Whether the lanes of a pack are trained on plants; such lanes have a pack of their own."""
    return any(config.lane.surrogate in PLANTS for config in pack.configs)


def final_report(pack: Pack, results: list[LaneResult], task: Task) -> dict[str, Any]:
    """The last report of a pack; the weights of a confirmed one go to the checkpoint store."""
    if task.confirms:
        weights = [{name: t.cpu() for name, t in result.state.items()} for result in results]
        for index, state in zip(pack.indexes, weights, strict=True):
            task.depot.save(weights_name(pack, index), state)
    Saver(pack, task.depot).drop()
    return {"lanes": json.dumps([result.to_json() for result in results])}


def weights_name(pack: Pack, index: int) -> str:
    """The file in the run folder for the weights of a confirmed lane, until the lane store takes them."""
    return f"weights/{pack.name}-{index}.pt"


def failure_text(error: BaseException) -> str:
    """The text of a failed pack: the sentence of wrong input, else the whole traceback."""
    return (
        str(getattr(error, "cause", error))
        if isinstance(error, InputError)
        else "".join(traceback.format_exception(error))
    )


def run_packs(
    searcher: PackSearcher,
    trainable: Callable[..., None],
    task: Task,
    resources: Mapping[str, float],
    folder: Path,
    say: Callable[[str], None] = print,
) -> None:
    """Let Ray Tune run packs until the searcher has no more.

    Raises:
        InputError: a pack refused its settings or its data.
        RuntimeError: a pack failed; the message holds its traceback.
    """
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, task=task), dict(resources)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=task.evaluation,
            storage_path=str((folder / "ray").resolve()),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[PackWatch(say)],
        ),
    )
    tuner.fit()
    if searcher.failure:
        raise InputError(searcher.failure) if searcher.refused else RuntimeError(searcher.failure)


def actors_at_once(cluster: Cluster, task: Task) -> int:
    """The number of packs that train side by side: one per device, unless the frames that each has to hold
    would not fit the memory of the cluster.
    """
    splits = dict.fromkeys((Split.TRAIN, Split.VALIDATION, task.evaluation))
    surrogates = len(SURROGATES) if task.confirms and task.nulls else 1

    def held(latents: RayLatents) -> int:
        frame_bytes = _BYTES_PER_VALUE * surrogates * latents.dim
        return sum(
            min(
                latents.held_bytes([split]), frame_bytes * sum(latents.lengths[i] for i in latents.ids[split])
            )
            for split in splits
        )

    most = max(map(held, task.latents.values()))
    return max(1, min(cluster.devices, int(ray.cluster_resources().get("memory", 0.0)) // max(1, most)))


def pack_resources(cluster: Cluster) -> dict[str, float]:
    """Resources of one pack, which has one device."""
    return {"cpu": 1, "gpu": 1} if cluster.gpus else {"cpu": 1}
