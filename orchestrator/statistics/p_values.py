"""P-values from intervals, and their Holm adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtr

from orchestrator.statistics.intervals import Interval, at_level

_LEAST = 1e-12  # p


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: at most alpha where Holm's procedure at alpha rejects."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def tail(found: Interval, threshold: float) -> float:
    """One-sided p of the hypothesis that the truth is at most ``threshold``: from 0 to 1, 0.5 where equal.

    It is the p with which the interval at level 1 - 2 p ends at the threshold, and so agrees with intervals
    of every level. What lies below 1e-12 is 1e-12.
    """
    distance = abs(found.estimate - threshold)
    if distance == 0 or not math.isfinite(found.high):
        return 0.5
    p = _p_at(found, distance)
    return p if found.estimate > threshold else 1 - p


def two_sided_p(found: Interval, threshold: float) -> float:
    p = tail(found, threshold)
    return 2 * min(p, 1 - p)


def _p_at(found: Interval, distance: float) -> float:
    """The p, down to 1e-12, at which the interval reaches ``distance`` far."""

    def reached(p: float) -> float:
        return at_level(found, 1 - 2 * p).high - found.estimate

    guess = max(float(stdtr(found.freedom, -distance / found.error)), _LEAST) if found.error else _LEAST
    if math.isclose(reached(guess), distance, rel_tol=1e-9):
        return guess  # the same squares decide at both levels
    low, high = math.log(_LEAST), math.log(0.5)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(math.exp(middle)) < distance else (middle, high)
    return math.exp(high)
