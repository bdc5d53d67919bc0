"""Many reported criteria, one alpha: Holm's step-down over their p-values.

S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979: the chance of
calling any criterion met that is not met stays below alpha, however their metrics depend on each other.

The primary and the required criteria need no correction: GO asks for all of them, and a rule that asks
for several tests at alpha is itself a test at alpha (R. L. Berger, "Multiparameter hypothesis testing and
acceptance sampling", Technometrics 24, 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.judging.criteria import CriterionResult, Outcome, subject
from orchestrator.statistics.p_values import holm, tail, two_sided_p
from orchestrator.statistics.wording import number, spelled
from search_spaces.study import Claim, Role


def holm_adjusted(results: Sequence[CriterionResult], alpha: float) -> tuple[CriterionResult, ...]:
    """All results, the reported criteria with their p-values and without the successes that Holm takes back.

    A reported criterion that its interval alone meets becomes undecided where adjusted p exceeds ``alpha``.
    """
    raw = {i: p for i, result in enumerate(results) if (p := p_value(result)) is not None}
    adjusted = dict(zip(raw, holm(list(raw.values())), strict=True))
    return tuple(
        _with_p(result, raw[i], adjusted[i], alpha, len(raw)) if i in raw else result
        for i, result in enumerate(results)
    )


def p_value(result: CriterionResult) -> float | None:
    """The p-value of a reported criterion, which agrees with the deciding interval; None if not measured.

    GREATER: two-sided, against ``success``; where the null has to be beaten too, the larger of that p and the
    p of the excess over the null. COMPARABLE: the larger of two one-sided ones. NOT_WORSE: twice the
    one-sided one. TIMES: two-sided, of the contrast that success asks to lie above 0.
    """
    criterion, interval = result.criterion, result.estimate
    undecidable = (Outcome.NOT_APPLICABLE, Outcome.NOT_MEASURED, Outcome.NOT_MEASURABLE)
    if criterion.role is not Role.REPORTED or result.outcome in undecidable:
        return None
    if criterion.claim is Claim.TIMES:  # decided even where the ratio has no value
        return None if result.contrast is None else two_sided_p(result.contrast, 0.0)
    if interval is None:
        return None
    if criterion.claim is Claim.COMPARABLE:
        return max(tail(interval, -criterion.margin), 1 - tail(interval, criterion.margin))
    if criterion.claim is Claim.NOT_WORSE:
        return min(1.0, 2 * tail(interval, -criterion.margin))
    p_values = [two_sided_p(interval, criterion.success)]
    if criterion.beats_null and result.excess is not None:
        p_values.append(two_sided_p(result.excess, 0.0))
    return max(p_values)


def _with_p(result: CriterionResult, p: float, adjusted: float, alpha: float, family: int) -> CriterionResult:
    result = replace(result, p=p, adjusted_p=adjusted)
    if result.outcome is not Outcome.MET or adjusted <= alpha:
        return result
    value = "has no value" if result.estimate is None else f"is {spelled(result.estimate)}"
    sentence = (
        f"{subject(result.criterion)} {value}: enough for a criterion on its own "
        f"(p {number(p)}), but it does not survive Holm's correction over {family} reported ones "
        f"(p {number(adjusted)})."
    )
    return replace(result, outcome=Outcome.UNDECIDED, sentence=sentence)
