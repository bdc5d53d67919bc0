"""One criterion against the evidence: met, failed, undecided, not applicable or not measured, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from orchestrator.statistics.intervals import Interval, half_width
from orchestrator.statistics.measures import Measures
from search_spaces.study import Criterion

_MOST = 10_000  # speakers or seeds: more is no plan


class Outcome(StrEnum):
    """What the evidence says of a criterion."""

    MET = "met"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not applicable"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class CriterionResult:
    """A criterion with the numbers that it was judged on. ``dropped`` replicates gave no finite number."""

    criterion: Criterion
    outcome: Outcome
    sentence: str
    estimate: Interval | None = None
    white: Interval | None = None  # the same settings trained and judged on frames shuffled in time
    gaussian: Interval | None = None  # ... on a linear-Gaussian surrogate of the same autocovariance
    dropped: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        intervals = {name: getattr(self, name) for name in ("estimate", "white", "gaussian")}
        return {
            **asdict(self.criterion),
            "outcome": str(self.outcome),
            "sentence": self.sentence,
            **{name: found.to_json() if found else None for name, found in intervals.items()},
            "dropped": self.dropped,
        }


def assess(criterion: Criterion, measures: Measures, decodable: bool) -> CriterionResult:
    """Judge one criterion; ``decodable`` says whether the representation can be turned back into audio."""
    if criterion.needs_decoder and not decodable:
        sentence = f"{spoken(criterion.metric)} does not apply: this representation has no decoder to audio."
        return CriterionResult(criterion, Outcome.NOT_APPLICABLE, sentence)
    found, white, gaussian = (
        measures.value(criterion.arm, criterion.metric, versus=criterion.versus, surrogate=surrogate)
        for surrogate in ("real", "white", "gaussian")
    )
    dropped = measures.dropped(criterion.arm, criterion.metric)
    if found is None:
        sentence = f"{subject(criterion)} was not measured."
        return CriterionResult(criterion, Outcome.NOT_MEASURED, sentence, dropped=dropped)
    outcome, sentence = _outcome(criterion, found, white)
    return CriterionResult(criterion, outcome, sentence, found, white, gaussian, dropped)


def subject(criterion: Criterion) -> str:
    """What a criterion measures, as the subject of a sentence."""
    versus = f" minus the {criterion.versus} arm's" if criterion.versus else ""
    return f"the {criterion.arm} arm's {spoken(criterion.metric)}{versus}"


def spoken(metric: str) -> str:
    """A metric's name in a sentence."""
    said = metric.removeprefix("-").replace("_", " ")
    return f"negative {said}" if metric.startswith("-") else said


def number(value: float) -> str:
    """A number as sentences and tables show it: 3 significant digits, no more than 3 decimals."""
    if math.isnan(value):
        return "not measured"
    decimals = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    shown = f"{value:.{decimals}f}"
    return shown.lstrip("-" if float(shown) == 0 else "").replace("-", "−").replace("inf", "∞")


def spelled(found: Interval) -> str:
    """An estimate with its interval: ``0.712 [0.680, 0.744]``."""
    return f"{number(found.estimate)} [{number(found.low)}, {number(found.high)}]"


def _outcome(criterion: Criterion, found: Interval, white: Interval | None) -> tuple[Outcome, str]:
    said = f"{subject(criterion)} is {spelled(found)}"
    if found.high < criterion.failure:
        return Outcome.FAILED, f"{said}, wholly below {_plain(criterion.failure)}, where failure begins."
    if criterion.beats_null and white is not None and found.high < white.low:
        return Outcome.FAILED, f"{said}, below the {spelled(white)} that frames without any memory give."
    if not found.low > criterion.success:
        return Outcome.UNDECIDED, f"{said}: {_why_undecided(criterion, found)}"
    if not criterion.beats_null:
        return Outcome.MET, f"{said}, wholly above {_plain(criterion.success)}."
    if white is None:
        return Outcome.NOT_MEASURED, f"{said}, but its white-noise null was not measured."
    if found.low > white.high:
        null = f"and above the {spelled(white)} that frames without any memory give"
        return Outcome.MET, f"{said}, wholly above {_plain(criterion.success)} {null}."
    null = f"but frames without any memory give {spelled(white)} too"
    return Outcome.UNDECIDED, f"{said}, above {_plain(criterion.success)}, {null}: it is no evidence."


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _why_undecided(criterion: Criterion, found: Interval) -> str:
    success, failure = criterion.success, criterion.failure
    if found.low > failure and found.high < success:
        return (
            f"between the thresholds {_plain(failure)} and {_plain(success)} with its whole interval; "
            "more data will not help."
        )
    if found.estimate > success:
        return f"the interval reaches down to {_plain(success)}; {_needed(found, found.estimate - success)}."
    if found.estimate < failure:
        return f"the interval reaches up to {_plain(failure)}; {_needed(found, failure - found.estimate)}."
    if failure == success:
        return f"it cannot be told from {_plain(success)}."
    gap = min(found.estimate - failure, success - found.estimate)
    return (
        f"the estimate lies between the thresholds {_plain(failure)} and {_plain(success)}; "
        f"{_needed(found, gap)}, and if it stays there, more data will not help."
    )


def _needed(found: Interval, gap: float) -> str:
    """How many speakers, or seeds, would shrink half the interval to ``gap``, all else as it is."""
    speakers = _smallest(lambda n: half_width(found, n, found.n_seeds), gap, found.n_speakers)
    seeds = _smallest(lambda n: half_width(found, found.n_speakers, n), gap, found.n_seeds)
    ways = [
        *([f"about {speakers} test speakers instead of {found.n_speakers}"] if speakers else []),
        *([f"about {seeds} replicates instead of {found.n_seeds}"] if seeds else []),
    ]
    if not ways:
        return "neither more test speakers nor more replicates alone would be enough"
    return f"to decide at this estimate it would take {' or '.join(ways)}"


def _smallest(half: Callable[[int], float], gap: float, start: int) -> int | None:
    """The smallest count, found by doubling and halving, whose half width is below ``gap``."""
    high = start + 1
    while not half(high) < gap:
        high *= 2
        if high > _MOST:
            return None
    low = start
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if half(middle) < gap else (middle, high)
    return high
