"""P-values from intervals, and their Holm adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtr

from orchestrator.statistics.intervals import Interval, at_level

_LEAST = 1e-12  # the smallest p that is given


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: at most alpha where his procedure at alpha rejects."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def tail(interval: Interval, threshold: float) -> float:
    """The one-sided p of the hypothesis that the truth is at most ``threshold``: 0 to 1, 0.5 where equal.

    It is the p for which the interval at level 1 - 2 p ends at the threshold, and so agrees with intervals
    of every level. Anything below 1e-12 is given as 1e-12.
    """
    distance = abs(interval.estimate - threshold)
    if distance == 0 or not math.isfinite(interval.high):
        return 0.5
    p = _p_at(interval, distance)
    return p if interval.estimate > threshold else 1 - p


def two_sided_p(interval: Interval, threshold: float) -> float:
    """The two-sided p of the hypothesis that the truth equals ``threshold``; agrees with intervals."""
    p = tail(interval, threshold)
    return 2 * min(p, 1 - p)


def _p_at(interval: Interval, distance: float) -> float:
    """The p, at least 1e-12, at which half the interval is as wide as ``distance``."""

    def reached(p: float) -> float:
        return at_level(interval, 1 - 2 * p).high - interval.estimate

    guess = (
        max(float(stdtr(interval.freedom, -distance / interval.error)), _LEAST) if interval.error else _LEAST
    )
    if math.isclose(reached(guess), distance, rel_tol=1e-9):
        return guess  # the same squares decide at both levels
    low, high = math.log(_LEAST), math.log(0.5)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(math.exp(middle)) < distance else (middle, high)
    return math.exp(high)
