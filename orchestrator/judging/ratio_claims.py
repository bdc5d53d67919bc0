"""How many times one arm's metric is another's, decided without dividing.

"More than twice" is said of a - 2 b, whose interval needs no denominator away from 0; the values of r that
the interval of a - r b does not rule out are the interval of the ratio (E. C. Fieller, "Some problems in
interval estimation", 1954).
"""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.optimize import brentq

from orchestrator.judging.measures import Measures
from orchestrator.statistics.intervals import Interval, counted, difference, excess
from orchestrator.statistics.speaker_cells import Table
from search_spaces.study import Claim, Criterion
from trainables.latents.batching.surrogates import Surrogate


def contrast(measures: Measures, criterion: Criterion, times: float) -> Interval | None:
    """The metric of a criterion's arm less ``times`` that of ``versus``, paired by seed and speaker; where
    ``beats_null`` both less their own white nulls. None where something was not measured.
    """
    pair = (Surrogate.REAL, Surrogate.WHITE)
    own, null = (_sides(measures, criterion, times, surrogate) for surrogate in pair)
    if own is None:
        return None
    if not criterion.beats_null:
        return counted(difference, *(values for side in own for values in side.cells), measures.level)
    if null is None:
        return None
    shared = sorted(set(own[0].speakers) & set(null[0].speakers))
    cells = [[side.part(side.seeds, shared).cells for side in pair] for pair in (own, null)]
    return counted(excess, *cells, measures.level)


def ratio(measures: Measures, criterion: Criterion) -> Interval | None:
    """The ratio with its interval; None where something was not measured, or the denominator may be 0."""
    below = metric_above_null(measures, criterion, criterion.versus or "")
    above = contrast(measures, criterion, 0.0)
    if above is None or below is None or below.low <= 0:
        return None
    estimate = above.estimate / below.estimate
    middle = contrast(measures, criterion, estimate)
    if middle is None:
        return None
    unit = below.estimate
    furthest = (abs(above.low) + abs(above.high)) / below.low + abs(estimate) + 1.0
    return replace(
        middle,
        estimate=estimate,
        low=_end(measures, criterion, "low", furthest),
        high=_end(measures, criterion, "high", furthest),
        speaker_variance=middle.speaker_variance / unit**2,
        seed_variance=middle.seed_variance / unit**2,
        rest_variance=middle.rest_variance / unit**2,
        error=middle.error / unit,
        squares=None,
    )


def claimed(measures: Measures, criterion: Criterion) -> Interval | None:
    """What a criterion makes its claim of: the metric, its difference from ``versus``, or the ratio."""
    if criterion.claim is Claim.TIMES:
        return ratio(measures, criterion)
    return measures.value(criterion.arm, criterion.metric, versus=criterion.versus)


def metric_above_null(measures: Measures, criterion: Criterion, arm: str) -> Interval | None:
    """The metric of an arm, less its own white null where the criterion asks for it."""
    metric = criterion.metric
    return measures.excess(arm, metric) if criterion.beats_null else measures.value(arm, metric)


def _sides(
    measures: Measures, criterion: Criterion, times: float, surrogate: Surrogate
) -> list[Table] | None:
    """Both arms' cells, the second one's metric so many times over."""
    found = measures.sides(criterion.arm, criterion.metric, criterion.versus, surrogate)
    if found is None:
        return None
    own, other = found
    numerators_RS, denominators_RS = other.cells
    return [own, Table(other.seeds, other.speakers, (times * numerators_RS, denominators_RS))]


def _end(measures: Measures, criterion: Criterion, side: str, furthest: float) -> float:
    """Where the contrast's interval ends at 0, at most so far away."""

    def gap(times: float) -> float:
        found = contrast(measures, criterion, times)
        return math.nan if found is None else float(getattr(found, side))

    if gap(furthest) > 0:
        return math.inf
    if gap(-furthest) < 0:
        return -math.inf
    return float(brentq(gap, -furthest, furthest))
