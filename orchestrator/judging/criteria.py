"""The result of judging one criterion, with the numbers it rests on."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from enum import StrEnum
from typing import Any

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import spoken
from search_spaces.study import Claim, Criterion


class Outcome(StrEnum):
    """What the evidence says about a criterion."""

    MET = "met"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not applicable"
    NOT_MEASURED = "not measured"
    NOT_MEASURABLE = "not measurable here"  # no arm leaves the floor of the measure
    NOT_ASKED = "not asked yet"  # of listeners
    TOO_FEW = "too few listeners"  # to speak for others


@dataclass(frozen=True)
class CriterionResult:
    """A criterion with its outcome and the numbers it was judged on; None where one was not measured."""

    criterion: Criterion
    outcome: Outcome
    sentence: str
    _: KW_ONLY
    estimate: Interval | None = None
    white: Interval | None = None  # the same settings trained and judged on frames shuffled in time
    gaussian: Interval | None = None  # ... on a linear-Gaussian surrogate of the same autocovariance
    kept: Interval | None = None  # ... on planted frames whose direction stays known
    lost: Interval | None = None  # ... on those where it is lost
    kept_optimum: float | None = None  # what is possible on them, where it is known
    lost_optimum: float | None = None
    dropped: int = 0  # finished replicates that gave no finite number
    excess: Interval | None = None  # estimate minus white, paired by speaker
    p: float | None = None  # of a reported criterion (reported_criteria.py)
    adjusted_p: float | None = None  # by Holm, over all reported criteria
    contrast: Interval | None = None  # of a TIMES claim: what success asks to lie above 0

    def to_json(self) -> dict[str, Any]:
        """The result as plain data."""
        names = ("estimate", "white", "gaussian", "kept", "lost", "excess", "contrast")
        intervals = {name: getattr(self, name) for name in names}
        return {
            **asdict(self.criterion),
            "outcome": str(self.outcome),
            "sentence": self.sentence,
            **{name: interval.to_json() if interval else None for name, interval in intervals.items()},
            "kept_optimum": self.kept_optimum,
            "lost_optimum": self.lost_optimum,
            "dropped": self.dropped,
            "p": self.p,
            "adjusted_p": self.adjusted_p,
        }


def subject(criterion: Criterion) -> str:
    """What a criterion measures, as the subject of a sentence."""
    versus = f" minus the {criterion.versus} arm's" if criterion.versus else ""
    if criterion.claim is Claim.TIMES:
        versus = f" over the {criterion.versus} arm's"
    return f"the {criterion.arm} arm's {spoken(criterion.metric)}{versus}"
