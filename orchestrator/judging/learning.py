"""Whether an arm has learnt enough for its failure to say something about the hypothesis.

Two things forbid a NO-GO. Validation curves that still rise at the end of training by more than the interval
of the verdict could tell apart, or by more than the arm surely fails by: then the budget failed, not the
hypothesis. And an arm that ridge regression on the same past beats: then whatever holds it back, nothing was
learnt about what heads of its kind can do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.measures import Measures
from orchestrator.judging.ratio_claims import metric_above_null
from orchestrator.records.evidence import Evidence, Replicate
from orchestrator.statistics.intervals import Interval, interval
from orchestrator.statistics.power import smallest_effect, spread_of
from orchestrator.statistics.wording import number, spelled, spoken
from search_spaces.effort import QUICK, STANDARD, THOROUGH
from search_spaces.study import Claim
from trainables.contract import TrainingPhase
from trainables.predictor.scores import LaneStatus

# By how much ridge has to be ahead, beyond its interval, before it counts: heads have families of their own,
# and one that does not hold a Gaussian loses a little to ridge on frames that ridge fits exactly. In units of
# the cosine, and in nats per dimension and frame.
_COSINE_MARGIN, _NATS_MARGIN = 0.02, 0.05
# What trains longer than an effort does.
_MORE = {
    QUICK: "--effort standard, or --set",
    STANDARD: "--effort thorough, or --set",
    THOROUGH: "--set teacher_epochs and rollout_epochs",
}
_POWER = 0.8  # with which an effect is detected
_LAST_PART = 3  # the last third of a phase is what is looked at


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How far the training of an arm came.

    Attributes:
        phase: the last one that led to the state of a replicate that is judged.
        left_out: the phases after it, of which no epoch was better on validation speakers than what came
            before.
        epochs: of that phase, the most that a replicate has trained.
        allowed: epochs that it was allowed.
        by_patience: replicates that it ended for because validation speakers saw no more progress.
        replicates: how many there are.
        gain: by how much the primary metric rose on validation speakers over its last third, on average over
            replicates; 0 of a replicate that patience ended, None where no curve was drawn.
        sure_gain: the lower end of its 95 % interval over replicates; short curves rise by chance too.
        gains: of each replicate; empty where not all have a curve.
        metric: the metric of that curve.
        smallest: the smallest effect on that metric that the run detects; None where it was not measured.
        behind_ridge: metrics on which the arm is worse than ridge on the same past with its whole interval,
            with the difference.
    """

    phase: str
    left_out: tuple[str, ...]
    epochs: int
    allowed: int
    by_patience: int
    replicates: int
    gain: float | None
    sure_gain: float | None
    gains: tuple[float, ...]
    metric: str
    smallest: float | None
    behind_ridge: Mapping[str, Interval]

    @property
    def goes_on(self) -> bool:
        """Whether the arm still learns: its curve rose at the end by more than the run detects."""
        return self.sure_gain is not None and self.smallest is not None and self.sure_gain > self.smallest

    def to_json(self) -> dict[str, Any]:
        """The figures as plain data."""
        behind = {metric: gap.to_json() for metric, gap in self.behind_ridge.items()}
        sure = self.sure_gain if self.sure_gain is not None and math.isfinite(self.sure_gain) else None
        return asdict(self) | {"sure_gain": sure, "behind_ridge": behind}


def learning(
    arm: str, metric: str, evidence: Evidence, measures: Measures, results: Sequence[CriterionResult]
) -> Learning | None:
    """How far an arm's training came, by the curve of ``metric``, whose interval is among ``results``; None
    where nothing is trained epoch by epoch.
    """
    replicates = [r for r in evidence.arms[arm].replicates if r.status == LaneStatus.FINISHED]
    config = evidence.arms[arm].config
    phases = config.trainable.phases(config.structure)
    if not phases:
        return None
    led = [_led_to_the_state(replicate, phases) for replicate in replicates]
    place = max(led, default=len(phases) - 1)
    last = phases[place]
    ended = [_ended_by_patience(replicate, phases[at]) for replicate, at in zip(replicates, led, strict=True)]
    gains = [
        0.0 if early else _late_gain(replicate, phases[at].name, metric)
        for replicate, at, early in zip(replicates, led, ended, strict=True)
    ]
    drawn = [gain for gain in gains if gain is not None]
    return Learning(
        phase=last.name,
        left_out=tuple(phase.name for phase in phases[place + 1 :]),
        epochs=max((len(_of_phase(replicate, last.name)) for replicate in replicates), default=0),
        allowed=last.epochs,
        by_patience=sum(ended),
        replicates=len(replicates),
        gain=sum(drawn) / len(drawn) if drawn else None,
        sure_gain=_surely(np.array(drawn)) if drawn else None,
        gains=tuple(drawn) if len(drawn) == len(replicates) else (),
        metric=metric,
        smallest=_detectable(arm, metric, measures, results),
        behind_ridge=_behind_ridge(arm, metric, evidence, measures),
    )


def unlearnt(failed: Sequence[CriterionResult], arms: Mapping[str, Learning], effort: str) -> list[str]:
    """Why no NO-GO follows from criteria that failed: sentences on every arm that has not learnt enough,
    empty where all have. What to do about it depends on the effort that was made.
    """
    sentences = [
        _catching_up(result, arms, effort)
        for result in failed
        if catches_up(result, arms) and not arms[result.criterion.arm].goes_on
    ]
    for arm in dict.fromkeys(result.criterion.arm for result in failed):
        state = arms.get(arm)
        if state is None:
            continue
        if state.goes_on:
            sentences.append(
                f"still learning: over the last third of its training the {arm} arm's {spoken(state.metric)} "
                f"rose by {number(state.gain or 0.0)} on validation speakers, for certain by more than the "
                f"{number(state.smallest or 0.0)} that this run can tell apart; train longer, "
                f"about {2 * state.allowed} epochs instead of {state.allowed} ({_MORE[effort]})"
            )
        sentences += _worse_than_ridge(arm, state, "its failure", effort)
    return sentences


def untaught(found: Sequence[CriterionResult], arms: Mapping[str, Learning], effort: str) -> list[str]:
    """Why no GO follows from defects that were found: sentences on every arm that ridge regression beats, and
    which may owe its defect to that; empty where there is none.
    """
    of_arms = dict.fromkeys(result.criterion.arm for result in found if result.criterion.defect)
    known = [(arm, arms[arm]) for arm in of_arms if arm in arms]
    return [words for arm, state in known for words in _worse_than_ridge(arm, state, "its defect", effort)]


def _worse_than_ridge(arm: str, state: Learning, what: str, effort: str) -> list[str]:
    return [
        f"worse than ridge: the {arm} arm's {spoken(metric)} minus that of ridge regression on the same past "
        f"is {spelled(gap)}, so {what} says nothing about the hypothesis; train longer ({_MORE[effort]}) or "
        "search wider"
        for metric, gap in state.behind_ridge.items()
    ]


def catches_up(failed: CriterionResult, arms: Mapping[str, Learning]) -> bool:
    """Whether an arm's curve, less that of the arm that it is compared with, surely rose over the last third
    by more than it surely fails by: as much training again may undo the failure.
    """
    gains = _relative_gains(failed, arms)
    return len(gains) > 0 and _fails_by(failed) > 0 and _surely(gains) > _fails_by(failed)


def _relative_gains(failed: CriterionResult, arms: Mapping[str, Learning]) -> np.ndarray:
    """The late gain of each replicate in what the criterion is about; empty where that is not known."""
    criterion = failed.criterion
    own, other = arms.get(criterion.arm), arms.get(criterion.versus or "")
    if own is None or own.metric != criterion.metric or criterion.claim is Claim.TIMES:
        return np.empty(0)
    if other is None:  # nothing is trained there
        return np.array(own.gains)
    if other.metric != own.metric or len(other.gains) != len(own.gains):
        return np.empty(0)
    return np.array(own.gains) - np.array(other.gains)


def _fails_by(failed: CriterionResult) -> float:
    """How far the whole interval lies from where failure begins; 0 or less where something else failed."""
    criterion, found = failed.criterion, failed.estimate
    if found is None or criterion.claim in (Claim.TIMES, Claim.COMPARABLE):
        return 0.0
    begins = -criterion.margin if criterion.claim is Claim.NOT_WORSE else criterion.failure
    return begins - found.high


def _catching_up(failed: CriterionResult, arms: Mapping[str, Learning], effort: str) -> str:
    criterion, state = failed.criterion, arms[failed.criterion.arm]
    than = f", {number(float(_relative_gains(failed, arms).mean()))} more than that of {criterion.versus}"
    return (
        f"still learning: over the last third of its training the {criterion.arm} arm's "
        f"{spoken(state.metric)} rose by {number(state.gain or 0.0)} on validation speakers"
        f"{than if criterion.versus in arms else ''}, for certain by more than the "
        f"{number(_fails_by(failed))} by which it fails for certain; train longer, about "
        f"{2 * state.allowed} epochs instead of {state.allowed} ({_MORE[effort]})"
    )


def _surely(gains_R: np.ndarray) -> float:
    """The lower end of the 95 % interval over replicates."""
    return interval(gains_R[:, None], np.ones((len(gains_R), 1))).low


def _detectable(
    arm: str, metric: str, measures: Measures, results: Sequence[CriterionResult]
) -> float | None:
    """The smallest effect on an arm's metric that a run of such spread detects with a power of 0.8, in units
    of the metric also where the claim is about a ratio.

    None where the metric was not measured.
    """
    for result in results:
        criterion, found = result.criterion, result.estimate
        if (criterion.arm, criterion.metric) == (arm, metric) and found is not None:
            if not math.isfinite(found.high):
                return None
            effect = smallest_effect(spread_of(found), found.n_speakers, found.n_seeds, found.level, _POWER)
            if criterion.claim is not Claim.TIMES:
                return effect
            below = metric_above_null(measures, criterion, criterion.versus or arm)
            return None if below is None else effect * below.estimate
    return None


def _behind_ridge(arm: str, metric: str, evidence: Evidence, measures: Measures) -> dict[str, Interval]:
    dim = float(evidence.data.get("dim") or 0)
    of_metric = _COSINE_MARGIN if metric.startswith("cos@") else 0.0
    margins = {metric: of_metric, "one_step_cosine": _COSINE_MARGIN, "-nll": _NATS_MARGIN * dim}
    behind = {}
    for name, margin in margins.items():
        gap = measures.beyond_ridge(arm, name)
        if gap is not None and gap.high < -margin:
            behind[name] = gap
    return behind


def _of_phase(replicate: Replicate, phase: str) -> list[Mapping[str, Any]]:
    return [entry for entry in replicate.history if entry.get("phase") == phase]


def _led_to_the_state(replicate: Replicate, phases: Sequence[TrainingPhase]) -> int:
    """The place of the last phase of which anything was kept: a phase that only harms leaves no trace."""
    courses = [replicate.courses.get(phase.name, {}) for phase in phases]
    # Where nobody looked before the phase, there is no best loss to go back to.
    harmed = [c.get("best_epoch", 0) < 0 and math.isfinite(c.get("best_loss", math.inf)) for c in courses]
    return max((place for place, left_out in enumerate(harmed) if not left_out), default=0)


def _ended_by_patience(replicate: Replicate, phase: TrainingPhase) -> bool:
    """Whether the learning rate began to fall because held-out speakers saw no more progress."""
    course = replicate.courses.get(phase.name)
    return bool(phase.patience and course and course["out_of_patience"])


def _late_gain(replicate: Replicate, phase: str, metric: str) -> float | None:
    """How much a metric rose over the last third of a phase; None where it was not looked at."""
    names = [entry.get("phase") for entry in replicate.history]
    before = replicate.history[: names.index(phase)] if phase in names else []
    values = _curve([*before[-1:], *_of_phase(replicate, phase)], metric)
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return float(values[-1] - values[-1 - max(1, (len(values) - 1) // _LAST_PART)])


def validation_curves(replicates: Sequence[Replicate], metric: str) -> list[list[float]]:
    """A metric on validation speakers after each epoch, of every replicate: [R][epochs]."""
    return [_curve(replicate.history, metric) for replicate in replicates]


def _curve(history: Sequence[Mapping[str, Any]], metric: str) -> list[float]:
    """A metric over the epochs that were looked at. Information rises by what the NLL falls, since what it is
    measured against does not train.
    """
    if metric.startswith("predictive_information"):
        metric = "-nll"
    name, sign = (metric[1:], -1) if metric.startswith("-") else (metric, 1)
    if any(metric in entry for entry in history):
        return [float(entry[metric]) for entry in history if entry.get(metric) is not None]
    return [sign * float(entry[name]) for entry in history if entry.get(name) is not None]
