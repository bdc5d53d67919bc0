"""What an exploration of 16 configurations costs from start to finish: eight lanes of each arm in a pack, as
a sweep runs them, against 16 Ray Tune trials with an actor each, as Ray Tune runs them unasked:
``python -m benchmarks.exploration [LATENTS]``.

Both train the same lanes with the same loop, on the same devices, and evaluate them after every epoch.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import search_spaces
from benchmarks.timing import interleaved, machine
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.runtime.threads import use_one_thread
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import LatentDataset, Split, open_dataset
from trainables.latents.worlds.catalogue import write_world
from trainables.predictor.scores import Scores

_LANES, _REPEATS = 8, 1  # lanes of each of two arms; one repeat takes minutes
_SHORT = {"steps": 10, "teacher_epochs": 1, "rollout_epochs": 1}
_TARGET = 5.0


class _Watcher:
    """Keeps what was asked for, and answers with the study's objective."""

    def __init__(self, objective: str) -> None:
        self.objective, self.configs = objective, []

    def started(self, pack: Pack) -> None:
        self.configs += pack.configs

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        pass

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        scores = [result["scores"] for result in results]
        return [own and Scores.from_json(own).value(self.objective) for own in scores]


def main() -> None:
    """Print the seconds of both, and their ratio."""
    with tempfile.TemporaryDirectory() as scratch, connected(None) as cluster:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch) / "world"
        if len(sys.argv) == 1:
            write_world("directional", folder)
        dataset, plan = open_dataset(folder), _plan()
        configs = _explore(plan, dataset, cluster, Path(scratch))  # warms up, and says what is asked for
        ways = {
            "packs": lambda: _explore(plan, dataset, cluster, Path(scratch)),
            "a trial each": lambda: _trials(configs, dataset, cluster, Path(scratch)),
        }
        seconds = {name: statistics.median(own) for name, own in interleaved(ways, _REPEATS).items()}
    print(f"{machine()}\n{len(configs)} configurations of {plan.study.name}, {_SHORT}; {cluster}")
    for name, own in seconds.items():
        print(f"{name:14} {own:7.1f} s")
    print(f"ratio {seconds['a trial each'] / seconds['packs']:.1f}, target {_TARGET:g}")


def _plan() -> Plan:
    study = search_spaces.load("vmf_vs_mdn")
    study = dataclasses.replace(study, fixed={**study.fixed, **_SHORT})
    return dataclasses.replace(make_plan(study, trials=_LANES), lanes=_LANES)


def _explore(plan: Plan, dataset: LatentDataset, cluster: Cluster, scratch: Path) -> list[LaneConfig]:
    """The exploration of both arms; returns the settings of their lanes."""
    from orchestrator.datasets.ray_latents import RayLatents
    from orchestrator.execution.ray_tune import Task, pack_resources, run_pack, run_packs
    from orchestrator.execution.search import ArmSearch, PackSearcher
    from orchestrator.runtime.checkpoint_store import CheckpointStore

    latents = RayLatents.of(dataset, (Split.TRAIN, Split.VALIDATION))
    for split in latents.ids:
        latents.read(split)
    task = Task(
        latents={"": latents},
        evaluation=Split.VALIDATION,
        depot=CheckpointStore(scratch),
        scratch=str(scratch / "ray" / "train"),
    )
    watcher = _Watcher(plan.study.objective)
    searches = [ArmSearch(plan, arm) for arm in plan.study.arms]
    searcher = PackSearcher(searches, watcher, limit=cluster.devices)
    run_packs(searcher, run_pack, task, pack_resources(cluster), scratch)
    return watcher.configs


def _trials(configs: list[LaneConfig], dataset: LatentDataset, cluster: Cluster, scratch: Path) -> None:
    """The same settings, each in an actor of its own; as many at once as there are devices."""
    from ray import tune

    from orchestrator.execution.ray_tune import pack_resources

    trainable = tune.with_parameters(_train_one, root=str(dataset.root.resolve()))
    results = tune.Tuner(
        tune.with_resources(trainable, pack_resources(cluster)),
        param_space={"lane": tune.grid_search([config.to_json() for config in configs])},
        tune_config=tune.TuneConfig(reuse_actors=False),
        run_config=tune.RunConfig(name="trials", storage_path=str(scratch / "trials"), verbose=0),
    ).fit()
    if results.errors:
        raise results.errors[0]


def _train_one(config: Mapping[str, Any], root: str) -> None:
    import torch
    from ray import tune

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.train import train_pack
    from trainables.training_context import SoloContext

    use_one_thread()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset, own = open_dataset(Path(root)), LaneConfig.of(config["lane"])
    train, validation = (
        Feed.from_dataset(dataset, split, device=device) for split in (Split.TRAIN, Split.VALIDATION)
    )
    context = SoloContext(device)
    (result,) = train_pack(own.structure, [own.lane], train, validation, context, evaluate_each_epoch=True)
    tune.report({"status": str(result.status)})


if __name__ == "__main__":
    main()
