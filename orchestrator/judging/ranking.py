"""The arms of a run in order of one metric, and which of their differences are decided.

Every pair of arms is compared by the difference of their metrics, paired by seed and speaker. Of so many
differences some would be called decided by chance: Holm's rule over all pairs keeps that below one level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from orchestrator.judging.measures import Measures
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.p_values import holm, two_sided_p

_FEWEST = 3  # arms that are put in order; of two there is one difference, and a criterion says it


@dataclass(frozen=True)
class RankedArm:
    """An arm's place: its metric, how far the best arm is ahead, and the arms it is not told apart from."""

    arm: str
    value: Interval
    behind: Interval | None  # the best arm's metric less this one's; None of the best arm itself
    undecided: tuple[str, ...]  # in order of the metric

    def to_json(self) -> dict[str, Any]:
        """The place for programs."""
        intervals = {"value": self.value, "behind": self.behind}
        return {
            "arm": self.arm,
            **{name: interval.to_json() if interval else None for name, interval in intervals.items()},
            "undecided": list(self.undecided),
        }


def ranking(measures: Measures, arms: Sequence[str], metric: str) -> list[RankedArm]:
    """The arms that have a metric on real frames, the greatest first; none where fewer than three have it.

    Args:
        metric: more of it is better.
    """
    values = {arm: value for arm in arms if (value := measures.value(arm, metric)) is not None}
    if len(values) < _FEWEST:
        return []
    ordered = sorted(values, key=lambda arm: -values[arm].estimate)
    differences = {
        (one, other): measures.value(one, metric, versus=other) for one, other in combinations(ordered, 2)
    }
    told = {pair: two_sided_p(found, 0.0) for pair, found in differences.items() if found is not None}
    adjusted = dict(zip(told, holm(list(told.values())), strict=True))
    alike = {frozenset(pair) for pair in differences if adjusted.get(pair, 1.0) > 1 - measures.level}
    return [
        RankedArm(
            arm,
            values[arm],
            differences[ordered[0], arm] if arm != ordered[0] else None,
            tuple(other for other in ordered if frozenset((arm, other)) in alike),
        )
        for arm in ordered
    ]
