"""How often verdicts are wrong, and how often they are reached: whole studies simulated at the default design
of vmf_vs_mdn and judged as a sweep judges them: ``python -m benchmarks.verdicts [--studies 1000]``.

Evidence holds the primary metric alone, of normal speakers, seeds and rest spread as the study expects. Nulls
and plants ran on the seeds of controls; the same speakers are easy everywhere. Every rule that may withhold a
verdict is in force: arms find what was planted and are ahead of ridge regression by 0.1, validation curves
are flat but for what epochs scatter, no training fails, and all speakers have as many windows, as in the
control worlds, unless a row says otherwise. Criteria that are only reported are left out of the judgement:
they decide nothing and take half the time.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import search_spaces
from orchestrator.judging.verdict import Verdict, judge
from orchestrator.records.evidence import ArmEvidence, Assay, Evidence, Replicate
from orchestrator.statistics.alpha_spending import replicates_per_look
from orchestrator.statistics.intervals import interval
from orchestrator.statistics.power import smallest_effect
from search_spaces.study import Spread, Study, declared
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import NULLS, PLANTS, Surrogate
from trainables.predictor.scores import LaneStatus, Scores

_SETTINGS = LaneConfig.of({"head": "vmf", "rollout_epochs": 4})  # of every arm
_OPTIMA = {Surrogate.KEPT: 0.8, Surrogate.LOST: 0.02}  # the best possible figure on each plant
_VALIDATION_SPEAKERS = 12
_SPEAKERS = 12  # of the control worlds' test split
_EQUAL, _UNEQUAL = (600, 600), (300, 900)  # windows per speaker
_NONE, _NULL = 0.0, 0.7  # what frames without memory score: nothing, or enough for the threshold
_SPREADS = {
    "balanced": Spread(1, 1, 1),
    "speakers": Spread(1, 0.1, 0.1),
    "seeds": Spread(0.1, 1, 0.1),
    "little of either": Spread(0.3, 0.3, 1),
    "some speakers": Spread(0.5, 0, 1),
    "some seeds": Spread(0, 0.5, 1),
    "rest only": Spread(0, 0, 1),
}
# Laws that are not normal, of mean 0 and standard deviation 1: a seed in ten that collapses lies three of
# its standard deviations below the mean.
_SHAPES: dict[str, tuple[str, Callable[[np.random.Generator, int], np.ndarray]]] = {
    "heavy-tailed speakers": ("speakers", lambda rng, count: rng.standard_t(3, count) / np.sqrt(3)),
    "skewed speakers": ("speakers", lambda rng, count: rng.exponential(size=count) - 1),
    "heavy-tailed seeds": ("seeds", lambda rng, count: rng.standard_t(3, count) / np.sqrt(3)),
    "skewed seeds": ("seeds", lambda rng, count: 1 - rng.exponential(size=count)),
    "one seed in ten collapses": ("seeds", lambda rng, count: (0.1 - (rng.random(count) < 0.1)) / 0.3),
}
_SHAPED_DESIGNS = ((5, 6), (8, 6), (12, 6), (12, 20))
_DESIGNS = ((5, 5), (8, 5), (10, 5), (12, 6), (3, 2), (3, 6), (3, 10), (20, 2), (20, 6), (20, 10))


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is really so in a simulated study, in units of the primary metric."""

    arms: float  # of both of them
    null: float = _NONE
    looks: int = 1
    windows: tuple[int, int] = _EQUAL  # fewest and most of a speaker
    planted: float = 0.95  # of the optimum that an arm reaches on the plant whose direction is kept
    ridge: float = -0.1  # how far ridge regression is ahead of the arms
    late_gain: float = 0.0  # over the last epoch of training, on validation speakers
    failing: int = 0  # replicates of each arm whose training fails


class Simulator:
    """Studies of one question whose truth is known."""

    def __init__(self, study: Study, studies: int) -> None:
        self.study, self.studies = _bare(study), studies
        self.seeds = study.budget.replicates
        self.curve, step = study.primary.metric.split("@")
        self.steps = int(step)
        self.assays = [Assay(w, v, v, "", "", "") for w, v in study.controls.items()]

    def rates(self, truth: Truth) -> Counter[Verdict]:
        """Share of each verdict; with several looks, of the first that decides."""
        budget = replace(self.study.budget, looks=truth.looks)
        study, rng = replace(self.study, budget=budget), np.random.default_rng(0)
        seal = {"study": declared(study)}
        records = (self._evidence(rng, seal, truth) for _ in range(self.studies))
        counts = Counter(self._verdict(study, record) for record in records)
        return Counter({verdict: count / self.studies for verdict, count in counts.items()})

    def _verdict(self, study: Study, evidence: Evidence) -> Verdict:
        whole = {name: arm.replicates for name, arm in evidence.arms.items()}
        for evidence.look, seeds in enumerate(replicates_per_look(self.seeds, study.budget.looks), 1):
            for name, arm in evidence.arms.items():
                arm.replicates = whole[name][:seeds]
            verdict = judge(study, evidence).verdict
            if verdict is not Verdict.INCONCLUSIVE:
                break
        return verdict

    def _evidence(self, rng: np.random.Generator, seal: dict, truth: Truth) -> Evidence:
        study, controls = self.study, range(self.study.budget.control_seeds)
        windows_S = rng.integers(*truth.windows, _SPEAKERS, endpoint=True).astype(float)
        speakers_S = rng.normal(0, study.spread.speakers, _SPEAKERS)
        kept, lost = _OPTIMA.values()
        means = {
            Surrogate.WHITE: truth.null,
            Surrogate.GAUSSIAN: truth.null,
            Surrogate.KEPT: truth.planted * kept,
            Surrogate.LOST: lost,
        }
        arms = {}
        for arm in study.arms:
            real = [
                self._replicate(rng, seed, truth.arms + speakers_S, windows_S, truth.late_gain)
                for seed in range(self.seeds)
            ]
            for lane in real[: truth.failing]:
                lane.status, lane.scores = LaneStatus.DIVERGED, None
            others = {kind: [] for kind in means}
            for kind, seed in itertools.product(means, controls):
                lane = self._replicate(rng, seed, means[kind] + speakers_S, windows_S)
                lane.surrogate = kind
                others[kind].append(lane)
            arms[arm.name] = ArmEvidence(
                arm.name,
                _SETTINGS,
                [],
                real,
                nulls=[lane for kind in NULLS for lane in others[kind]],
                plants=[lane for kind in PLANTS for lane in others[kind]],
                ridge=self._scores(truth.arms + truth.ridge + speakers_S, windows_S),
            )
        planted = {kind: {"cos": [best] * self.steps} for kind, best in _OPTIMA.items()}
        return Evidence(
            study.name,
            arms,
            {"frame_rate": 50.0},
            {},
            {},
            seal=seal,
            assays=self.assays,
            plants={"": planted},
        )

    def _replicate(
        self,
        rng: np.random.Generator,
        seed: int,
        mean_S: np.ndarray,
        windows_S: np.ndarray,
        late_gain: float = 0.0,
    ) -> Replicate:
        spread = self.study.spread
        value_S = mean_S + rng.normal(0, spread.seeds) + rng.normal(0, spread.rest, _SPEAKERS)
        scatter = spread.rest / math.sqrt(_VALIDATION_SPEAKERS)
        history = [
            {"phase": "rollout", self.study.primary.metric: rng.normal(late_gain * (epoch == 3), scatter)}
            for epoch in range(4)
        ]
        scores = self._scores(value_S, windows_S)
        return Replicate(seed, Surrogate.REAL, LaneStatus.FINISHED, scores, history, 0)

    def _scores(self, value_S: np.ndarray, windows_S: np.ndarray) -> dict:
        counts_SK = np.tile(windows_S[:, None], self.steps)
        names = [f"speaker-{i}" for i in range(_SPEAKERS)]
        sums = {self.curve: value_S[:, None] * counts_SK}
        # A horizon of one step: failure modes at later ones decide nothing, and take half the time.
        return Scores(names, 50.0, 1, sums, {self.curve: counts_SK}).to_json()


def _bare(study: Study) -> Study:
    """Without what decides nothing here: reported criteria, search spaces and components."""
    arms = tuple(replace(arm, fixed={}, space={}) for arm in study.arms)
    bare = {"fixed": {}, "space": {}, "components": (), "pairs": ()}
    return replace(study, arms=arms, criteria=study.binding, **bare)


def main() -> None:
    """Print error rates, power and coverage as tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="simulated per row")
    parser.add_argument(
        "--intervals", type=int, default=4000, help="simulated per cell of the coverage table"
    )
    arguments = parser.parse_args()
    study = search_spaces.load("vmf_vs_mdn")
    print(
        f"{datetime.date.today()}; {arguments.studies} studies per row of {_SPEAKERS} test speakers and",
        end=" ",
    )
    print(f"{study.budget.replicates} seeds, {study.spread}\n")
    _print_rates(Simulator(study, arguments.studies))
    _print_coverage(arguments.intervals)
    _print_shaped_coverage(arguments.intervals)


def _print_rates(simulator: Simulator) -> None:
    study, budget = simulator.study, simulator.study.budget
    up, down = study.primary.success, study.primary.failure
    effect = smallest_effect(study.spread, _SPEAKERS, budget.replicates, 1 - budget.alpha, budget.power)
    go, no_go = Verdict.GO, Verdict.NO_GO
    clear, behind = up + effect, down - effect
    false_go, false_no_go = Truth(arms=up), Truth(arms=down)
    rows = [
        (f"truth at the threshold {up}", false_go, go, "<= 5 %"),
        (f"truth at the threshold {down}", false_no_go, no_go, "<= 5 %"),
        (f"null as good as the arm, both {_NULL}", Truth(arms=_NULL, null=_NULL), go, "<= 5 %"),
        (f"truth {up} + smallest effect {effect:.4f}", Truth(arms=clear), go, ">= 80 %"),
        (f"truth {down} - smallest effect {effect:.4f}", Truth(arms=behind), no_go, ">= 80 %"),
        (
            f"truth {up}, {_UNEQUAL[0]} to {_UNEQUAL[1]} windows",
            Truth(arms=up, windows=_UNEQUAL),
            go,
            "<= 5 %",
        ),
        (f"... and {up} + smallest effect", Truth(arms=clear, windows=_UNEQUAL), go, ""),
    ]
    for looks in (2, 3):
        rows += [
            (f"{looks} looks, truth at the threshold {up}", replace(false_go, looks=looks), go, "<= 5 %"),
            (
                f"{looks} looks, truth at the threshold {down}",
                replace(false_no_go, looks=looks),
                no_go,
                "<= 5 %",
            ),
        ]
    far = Truth(arms=down - 0.1)  # whatever else is so, a NO-GO
    rows += [
        (f"truth {far.arms:.1f}", far, no_go, ""),
        ("... and curves that still rise by 0.1", replace(far, late_gain=0.1), no_go, "<= 5 %"),
        ("... or ridge ahead by 0.1", replace(far, ridge=0.1), no_go, "<= 5 %"),
        ("... or 0.8 of what was planted is reached", replace(far, planted=0.8), no_go, "<= 5 %"),
        ("truth 0.8, and 0.8 of what was planted", Truth(arms=0.8, planted=0.8), go, "<= 5 %"),
        ("truth 0.8", Truth(arms=0.8), go, ""),
        ("... and one training of six fails", Truth(arms=0.8, failing=1), go, ""),
    ]
    print("| simulated | verdict | share of studies | promised |\n| --- | --- | --- | --- |")
    for said, truth, verdict, promised in rows:
        print(
            f"| {said} | {verdict} | {100 * simulator.rates(truth)[verdict]:.1f} % | {promised} |", flush=True
        )


def _print_coverage(draws: int) -> None:
    print(f"\nCoverage of the 95 % interval over {draws} draws, in %:\n")
    print("| speakers x seeds |", " | ".join(_SPREADS), "|\n|" + " --- |" * (len(_SPREADS) + 1))
    for speakers, seeds in _DESIGNS:
        shares = [_coverage(spread, speakers, seeds, draws) for spread in _SPREADS.values()]
        print(
            f"| {speakers} x {seeds} |", " | ".join(f"{100 * share:.1f}" for share in shares), "|", flush=True
        )


def _print_shaped_coverage(draws: int) -> None:
    print("\nWhere one factor is not normal and dominates: covered, and entirely above the truth, in %:\n")
    designs = [f"{speakers} x {seeds}" for speakers, seeds in _SHAPED_DESIGNS]
    print("| speakers x seeds |", " | ".join(designs), "|\n|" + " --- |" * (len(designs) + 1))
    for name, (factor, draw) in _SHAPES.items():
        shares = [_shaped(factor, draw, *design, draws) for design in _SHAPED_DESIGNS]
        cells = (f"{100 * covered:.1f}, {100 * above:.1f}" for covered, above in shares)
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def _shaped(
    factor: str,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    speakers: int,
    seeds: int,
    draws: int,
) -> tuple[float, float]:
    def cells_RS(rng: np.random.Generator) -> np.ndarray:
        speakers_S = draw(rng, speakers) if factor == "speakers" else 0.1 * rng.normal(size=speakers)
        seeds_R = draw(rng, seeds) if factor == "seeds" else 0.1 * rng.normal(size=seeds)
        return speakers_S + seeds_R[:, None] + 0.1 * rng.normal(size=(seeds, speakers))

    return _hits(cells_RS, draws)


def _coverage(spread: Spread, speakers: int, seeds: int, draws: int) -> float:
    def cells_RS(rng: np.random.Generator) -> np.ndarray:
        cells_RS = rng.normal(0, spread.rest, (seeds, speakers)) + rng.normal(0, spread.speakers, speakers)
        return cells_RS + rng.normal(0, spread.seeds, (seeds, 1))

    return _hits(cells_RS, draws)[0]


def _hits(cells_RS: Callable[[np.random.Generator], np.ndarray], draws: int) -> tuple[float, float]:
    """How often the interval covers the truth, which is 0, and how often all of it lies above."""
    rng, covered, above = np.random.default_rng(0), 0, 0
    for _ in itertools.repeat(None, draws):
        values_RS = cells_RS(rng)
        found = interval(values_RS, np.ones_like(values_RS))
        covered += found.low <= 0 <= found.high
        above += found.low > 0
    return covered / draws, above / draws


if __name__ == "__main__":
    main()
