"""How many lanes fail in training, of all that the studies' search spaces hold, and why:
``python -m benchmarks.divergence LATENTS [--lanes 200] [--effort quick]``.

Configurations are drawn at random, evenly over the arms of the studies that train predictors, as explorations
draw them, and trained to their end on real frames. A lane has failed where its training diverged, or where
the objective of its study is not a finite number.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

import search_spaces
from benchmarks.timing import machine
from orchestrator.execution.search import ArmSearch
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import make_plan
from orchestrator.runtime.threads import use_one_thread
from search_spaces.effort import EFFORTS, QUICK, with_effort
from search_spaces.study import Arm, Study
from trainables.latents.batching.feed import Feed
from trainables.latents.storage.dataset import LatentDataset, Split, open_dataset
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

_STUDIES = ("heads", "vmf_vs_mdn")


@dataclass(frozen=True)
class Outcome:
    """What became of one lane; ``cause`` is empty where nothing failed."""

    arm: str
    cause: str
    skipped: int  # steps whose gradient was not finite
    settings: str


def drawn(study: Study, arm: Arm, lanes: int) -> Iterator[Pack]:
    """Packs of an arm's configurations as its exploration draws them, without learning from any."""
    search = ArmSearch(make_plan(study, trials=lanes), arm)
    while (pack := search.take()) is not None:
        first = [i for i, index in enumerate(pack.indexes) if index >= 0]
        search.put(pack, [None] * len(pack.indexes))
        yield Pack(
            pack.phase,
            pack.arm,
            pack.number,
            tuple(pack.indexes[i] for i in first),
            tuple(pack.configs[i] for i in first),
        )


def outcomes(dataset: LatentDataset, study: Study, pack: Pack) -> list[Outcome]:
    """Train a pack to its end; what became of each of its lanes."""
    device, structure = torch.device("cpu"), pack.configs[0].structure
    feeds = [Feed.from_dataset(dataset, split, device=device) for split in (Split.TRAIN, Split.VALIDATION)]
    lanes = [config.lane for config in pack.configs]
    results = train_pack(structure, lanes, *feeds, SoloContext(device), evaluate_each_epoch=True)
    found = []
    for config, result in zip(pack.configs, results, strict=True):
        cause = "training diverged" if result.status == LaneStatus.DIVERGED else ""
        if not cause and not math.isfinite(Scores.from_json(result.scores).value(study.objective)):
            cause = f"{study.objective} is not finite"
        skipped = max((int(entry.get("skipped_steps", 0)) for entry in result.history), default=0)
        found.append(Outcome(pack.arm, cause, skipped, str(config.to_json())))
    return found


def main() -> None:
    """Print how many lanes of each arm failed, and each failure with its cause and settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("latents", type=Path)
    parser.add_argument("--lanes", type=int, default=200, help="about so many, evenly over all arms")
    parser.add_argument("--effort", choices=list(EFFORTS), default=QUICK)
    options = parser.parse_args()
    use_one_thread()
    print(machine())
    dataset = open_dataset(options.latents)
    studies = [with_effort(search_spaces.load(name), options.effort) for name in _STUDIES]
    each = math.ceil(options.lanes / sum(len(study.arms) for study in studies))
    total = failed = 0
    for study in studies:
        for arm in study.arms:
            began = time.monotonic()
            found = [o for pack in drawn(study, arm, each) for o in outcomes(dataset, study, pack)]
            bad = [outcome for outcome in found if outcome.cause]
            total, failed = total + len(found), failed + len(bad)
            causes = ", ".join(f"{count} x {cause}" for cause, count in Counter(o.cause for o in bad).items())
            print(
                f"{study.name:12} {arm.name:16} {len(found):4} lanes {time.monotonic() - began:6.0f} s  "
                f"{sum(o.skipped for o in found):4} steps skipped  {len(bad)} failed  {causes}",
                flush=True,
            )
            for outcome in bad:
                print(f"  {outcome.cause}: {outcome.settings}")
    print(f"{failed} of {total} lanes failed: {100 * failed / total:.1f} %")


if __name__ == "__main__":
    main()
