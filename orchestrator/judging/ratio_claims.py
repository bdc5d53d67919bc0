"""How many times one arm's metric is another's, decided without dividing.

The claim "more than twice" is decided by a - 2 b, whose interval needs no denominator away from 0. The
interval of the ratio holds every r for which the interval of a - r b reaches 0 (E. C. Fieller, "Some problems
in interval estimation", 1954).
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
    """The metric of a criterion's arm minus ``times`` that of ``versus``, paired by seed and speaker.

    Where the criterion asks for ``beats_null``, each minus its own white null. None where either was not
    measured.
    """
    surrogates = (Surrogate.REAL, Surrogate.WHITE)
    real, null = (_sides(measures, criterion, times, surrogate) for surrogate in surrogates)
    if real is None:
        return None
    if not criterion.beats_null:
        return counted(difference, *(values for side in real for values in side.cells), measures.level)
    if null is None:
        return None
    shared = sorted(set(real[0].speakers) & set(null[0].speakers))
    cells = [[side.part(side.seeds, shared).cells for side in sides] for sides in (real, null)]
    return counted(excess, *cells, measures.level)


def ratio(measures: Measures, criterion: Criterion) -> Interval | None:
    """The ratio of both arms' metrics; None where not measured, or where the denominator may be 0."""
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


def claimed_quantity(measures: Measures, criterion: Criterion) -> Interval | None:
    """The quantity that a criterion makes a claim about: a metric, a difference of two, or their ratio."""
    if criterion.claim is Claim.TIMES:
        return ratio(measures, criterion)
    return measures.value(criterion.arm, criterion.metric, versus=criterion.versus)


def metric_above_null(measures: Measures, criterion: Criterion, arm: str) -> Interval | None:
    """The metric of an arm, minus its own white null where the criterion asks for ``beats_null``."""
    metric = criterion.metric
    return measures.excess(arm, metric) if criterion.beats_null else measures.value(arm, metric)


def _sides(
    measures: Measures, criterion: Criterion, times: float, surrogate: Surrogate
) -> list[Table] | None:
    """The cells of both arms, those of the second multiplied by ``times``."""
    sides = measures.sides(criterion.arm, criterion.metric, criterion.versus, surrogate)
    if sides is None:
        return None
    first, second = sides
    numerators_RS, denominators_RS = second.cells
    return [first, Table(second.seeds, second.speakers, (times * numerators_RS, denominators_RS))]


def _end(measures: Measures, criterion: Criterion, side: str, furthest: float) -> float:
    """The multiple at which one end of the contrast's interval is 0; infinite beyond ``furthest``."""

    def gap(times: float) -> float:
        interval = contrast(measures, criterion, times)
        return math.nan if interval is None else float(getattr(interval, side))

    if gap(furthest) > 0:
        return math.inf
    if gap(-furthest) < 0:
        return -math.inf
    return float(brentq(gap, -furthest, furthest))
