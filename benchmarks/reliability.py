"""How often a search is said to tell configurations apart:
``python -m benchmarks.reliability [--trained 20]``.

First in simulated explorations at the default budget of vmf_vs_mdn, whose truth is known: configurations
differ or they do not, lanes have luck with their seeds, speakers are hard or easy, and what remains is noise.
With ``--trained``, then in explorations that really train, with small predictors on a small world of white
noise and, for comparison, on one whose directions can be predicted.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import search_spaces
from benchmarks.timing import machine
from orchestrator.execution.search import ArmSearch
from orchestrator.judging.search_reliability import Reliability, agreement_of_halves, agreement_of_seeds
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.runtime.threads import use_one_thread
from search_spaces.study import Arm
from trainables.latents.batching.feed import Feed
from trainables.latents.storage.dataset import LatentDataset, Split, open_dataset
from trainables.latents.worlds.catalogue import write_world
from trainables.predictor.scores import Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

SPEAKERS = 12  # of the control worlds' validation split
_SHORT = {"width": 16, "steps": 10, "teacher_epochs": 1, "rollout_epochs": 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """Standard deviations of what makes up an objective, in units of a speaker's noise."""

    configurations: float
    seeds: float
    speakers: float = 3.0
    noise: float = 1.0


WHITE = Truth(configurations=0, seeds=0)
LUCK = Truth(configurations=0, seeds=2)
APART = Truth(configurations=2, seeds=0.3)
_TRUTHS = {
    "all alike": WHITE,
    "alike but for luck with seeds": LUCK,
    "differ half as much as seeds do": Truth(configurations=0.5, seeds=1),
    "differ as much as seeds do": Truth(configurations=1, seeds=1),
    "differ twice as much": Truth(configurations=1, seeds=0.5),
    "differ four times as much": Truth(configurations=1, seeds=0.25),
    "differ much": APART,
}


def simulated(truth: Truth, rng: np.random.Generator, trials: int = 8, repeats: int = 8) -> Reliability:
    """The reliability of an exploration of so many configurations, some of which have a second seed."""
    effects_C1 = rng.normal(0, truth.configurations, (trials, 1))
    speakers_S = rng.normal(0, truth.speakers, SPEAKERS)
    frames_S = rng.integers(300, 900, SPEAKERS)

    def lanes() -> np.ndarray:
        """Sums of the objective over frames, [C, S], on another seed at each call."""
        luck_C1 = rng.normal(0, truth.seeds, (trials, 1))
        noise_CS = rng.normal(0, truth.noise, (trials, SPEAKERS))
        return (effects_C1 + luck_C1 + speakers_S + noise_CS) * frames_S

    counts_CS = np.broadcast_to(frames_S, (trials, SPEAKERS)).astype(float)
    return _reliability(lanes(), lanes()[:repeats], counts_CS)


def _reliability(first_CS: np.ndarray, second_KS: np.ndarray, counts_CS: np.ndarray) -> Reliability:
    first, second = (sums.sum(1) / counts_CS[: len(sums)].sum(1) for sums in (first_CS, second_KS))
    return Reliability(
        halves=agreement_of_halves(first_CS, counts_CS),
        seeds=agreement_of_seeds(first[: len(second)], second),
        speakers=first_CS.shape[1],
    )


def trained(dataset: LatentDataset, plan: Plan, arm: Arm) -> Reliability:
    """The reliability of an exploration of an arm that is really trained, as its search asks for it."""
    device = torch.device("cpu")
    train, validation = (
        Feed.from_dataset(dataset, split, device=device) for split in (Split.TRAIN, Split.VALIDATION)
    )
    search, lanes = ArmSearch(plan, arm), {}
    while (pack := search.take()) is not None:
        structure = pack.configs[0].structure
        context = SoloContext(device)
        lanes_here = [own.lane for own in pack.configs]
        results = train_pack(structure, lanes_here, train, validation, context, evaluate_each_epoch=True)
        scores = [Scores.from_json(result.scores) for result in results]
        search.put(pack, [own.value(plan.study.objective) for own in scores])
        lanes |= dict(zip(pack.indexes, scores, strict=True))
    explored = sorted((i for i in lanes if i >= 0), key=lambda i: ~i not in lanes)  # those repeated first
    again = [~i for i in explored if ~i in lanes]
    (first, counts), (second, _) = (_sums(lanes, each, plan.study.objective) for each in (explored, again))
    return _reliability(first, second, counts)


def _sums(lanes: dict[int, Scores], which: Sequence[int], metric: str) -> tuple[np.ndarray, np.ndarray]:
    sums, counts = zip(*(lanes[i].per_speaker(metric) for i in which), strict=True)
    return np.stack(sums), np.stack(counts)


def _row(name: str, found: Sequence[Reliability]) -> str:
    halves, seeds = (
        [part for part in parts if part] for parts in zip(*((r.halves, r.seeds) for r in found), strict=True)
    )
    columns = (
        f"{sum(r.told_apart for r in found)} of {len(found)}",
        f"{np.mean([part.correlation for part in halves]):.2f}",
        f"{sum(part.is_positive for part in halves)}",
        f"{np.mean([part.correlation for part in seeds]):.2f}",
        f"{sum(part.is_positive for part in seeds)}",
    )
    return f"{name:34}" + "".join(f"{column:>14}" for column in columns)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--explorations", type=int, default=200, help="simulated, of each truth")
    parser.add_argument("--trained", type=int, default=0, help="really trained, on each world")
    options = parser.parse_args()
    print(machine())
    titles = ("told apart", "halves: mean", "p <= 0.05", "seeds: mean", "p <= 0.05")
    print(f"{'simulated':34}" + "".join(f"{title:>14}" for title in titles))
    for name, truth in _TRUTHS.items():
        rng = np.random.default_rng(1)
        print(_row(name, [simulated(truth, rng) for _ in range(options.explorations)]), flush=True)
    if not options.trained:
        return
    use_one_thread()
    study = search_spaces.load("vmf_vs_mdn")
    study = dataclasses.replace(study, fixed={**study.fixed, **_SHORT})
    for world in ("white", "directional"):
        with tempfile.TemporaryDirectory() as folder:
            write_world(world, Path(folder))
            dataset = open_dataset(Path(folder))
            for arm in study.arms:
                plans = [make_plan(study, seed=seed) for seed in range(options.trained)]
                print(
                    _row(f"{world}, {arm.name}", [trained(dataset, plan, arm) for plan in plans]), flush=True
                )


if __name__ == "__main__":
    main()
