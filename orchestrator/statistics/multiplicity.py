"""Many reported criteria, one alpha: Holm's step-down over their p-values.

S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979: the chance
that any criterion is called met which is not stays below alpha, however their metrics depend on each other.

The primary and the required criteria need no correction: GO asks for all of them, and a rule that asks
for several tests at alpha is itself a test at alpha (R. L. Berger, "Multiparameter hypothesis testing and
acceptance sampling", Technometrics 24, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy.special import stdtr

from orchestrator.statistics.criteria import CriterionResult, Outcome, number, spelled, subject
from orchestrator.statistics.intervals import Interval, at_level
from search_spaces.study import Claim, Role

_LEAST = 1e-12  # p


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: at most alpha where Holm's procedure at alpha rejects."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def corrected(results: Sequence[CriterionResult], alpha: float) -> tuple[CriterionResult, ...]:
    """All results, the measured ones of reported criteria with their p-values and without unearned successes.

    A reported criterion that its own interval meets becomes undecided where the adjusted p exceeds ``alpha``.
    """
    own = {i: p for i, result in enumerate(results) if (p := p_value(result)) is not None}
    adjusted = dict(zip(own, holm(list(own.values())), strict=True))
    return tuple(
        _with_p(result, own[i], adjusted[i], alpha, len(own)) if i in own else result
        for i, result in enumerate(results)
    )


def p_value(result: CriterionResult) -> float | None:
    """The p-value of a reported criterion that was measured, else None; it agrees with the deciding interval.

    GREATER: two-sided, against ``success``, and the larger of that and of its excess over the null where that
    is asked for. COMPARABLE: the larger of two one-sided ones. NOT_WORSE: twice the one-sided one. TIMES:
    two-sided, of the contrast that success asks to lie above 0.
    """
    criterion, found = result.criterion, result.estimate
    undecidable = (Outcome.NOT_APPLICABLE, Outcome.NOT_MEASURED)
    if criterion.role is not Role.REPORTED or result.outcome in undecidable:
        return None
    if criterion.claim is Claim.TIMES:  # decided though the ratio may have no value
        return None if result.contrast is None else _two_sided(result.contrast, 0.0)
    if found is None:
        return None
    if criterion.claim is Claim.COMPARABLE:
        return max(tail(found, -criterion.margin), 1 - tail(found, criterion.margin))
    if criterion.claim is Claim.NOT_WORSE:
        return min(1.0, 2 * tail(found, -criterion.margin))
    against = [_two_sided(found, criterion.success)]
    if criterion.beats_null and result.excess is not None:
        against.append(_two_sided(result.excess, 0.0))
    return max(against)


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


def _with_p(result: CriterionResult, p: float, adjusted: float, alpha: float, family: int) -> CriterionResult:
    result = replace(result, p=p, adjusted_p=adjusted)
    if result.outcome is not Outcome.MET or adjusted <= alpha:
        return result
    value = "has no value" if result.estimate is None else f"is {spelled(result.estimate)}"
    sentence = (
        f"{subject(result.criterion)} {value}: enough for a criterion alone "
        f"(p {number(p)}), but it does not survive Holm's correction over {family} reported ones "
        f"(p {number(adjusted)})."
    )
    return replace(result, outcome=Outcome.UNDECIDED, sentence=sentence)


def _two_sided(found: Interval, threshold: float) -> float:
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
