"""What an optimiser step of each head costs, relative to ``mdn`` of equal width: one run, interleaved.

    python -m benchmarks.heads_step [--width 64] [--dim 64] [--lanes 2]

Steps are those of the training loop, with the noise that each head draws, on random frames; heads have the
settings of the study ``heads``. A rollout's step is teacher forcing and a free run of the mean at once.
Seconds are the processor's, which other work on a machine hardly moves, on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

import search_spaces
from benchmarks.timing import machine
from trainables.lane_config import LaneConfig
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.training.pack_run import PackRun
from trainables.predictor.training.timing import random_feed
from trainables.training_context import SoloContext

_REFERENCE, _MOST = "mdn", 3.0  # times as long as the reference, which no head should exceed
_STEPS = 4  # of an epoch, timed as a whole


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # the product runs one pack per core
    print(machine(), "\n")
    print(
        f"one optimiser step of {asked.lanes} lanes, width {asked.width}, {asked.dim} dimensions; times mdn\n"
    )
    print("| head | teacher forcing, ms | times mdn | rollout, ms | times mdn |\n|" + " --- |" * 5)
    structures = structures_of_the_study(asked.width)
    seconds = [step_seconds(structures, asked.dim, asked.lanes, phase, asked.repeats) for phase in (0, 1)]
    for name in structures:
        cells = [f"{1e3 * own[name]:.1f} | {own[name] / own[_REFERENCE]:.2f}" for own in seconds]
        print(f"| `{name}` | {' | '.join(cells)} |")
    most = max(own[name] / own[_REFERENCE] for own in seconds for name in structures)
    print(f"\nat most {most:.2f} times {_REFERENCE}; the target is {_MOST:g}")


def structures_of_the_study(width: int) -> dict[str, Structure]:
    """The structure of each arm of the study ``heads`` that is trained, by its head, at one width."""
    study = search_spaces.load("heads")
    found: dict[str, Structure] = {}
    for arm in study.arms:
        settings: dict[str, Any] = {**study.fixed, **arm.fixed, "width": width, "steps": _STEPS}
        structure = LaneConfig.of(settings).structure
        if structure.head not in FITTED_HEADS:
            found[structure.head] = structure
    return found


def step_seconds(
    structures: dict[str, Structure], dim: int, lanes: int, phase: int, repeats: int
) -> dict[str, float]:
    """Median seconds of a step of each structure, in teacher forcing (0) or rollout training (1)."""
    steps = {name: _steps(structure, dim, lanes, phase) for name, structure in structures.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(1 + repeats):
        for name, step in steps.items():
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)
    return {name: median(own[1:]) / _STEPS for name, own in seconds.items()}  # the first one warms up


def _steps(structure: Structure, dim: int, lanes: int, phase: int) -> Callable[[], object]:
    """A few steps of a pack, as the training loop takes them."""
    feed = random_feed(structure, dim, "cpu")
    run = PackRun(structure, [Lane(seed=seed) for seed in range(lanes)], feed, SoloContext())
    if phase:
        run.begin_rollout()
    epoch = run.epoch
    return lambda: run.train_epoch(epoch)


if __name__ == "__main__":
    main()
