"""One criterion against the evidence: met, failed, undecided, not applicable or not measured, and why.

Every claim is decided by whole intervals. COMPARABLE is decided by two one-sided tests, each at alpha, which
is the interval at 1 - 2 alpha within the margins (D. J. Schuirmann, "A comparison of the two one-sided tests
procedure and the power approach for assessing the equivalence of average bioavailability", 1987).
"""

from __future__ import annotations

import math

from orchestrator.judging.criteria import CriterionResult, Outcome, subject
from orchestrator.judging.measures import Measures
from orchestrator.judging.preference import assess_preference
from orchestrator.judging.ratio_claims import contrast, metric_above_null, ratio
from orchestrator.judging.seed_values import seed_share
from orchestrator.statistics.intervals import Interval, at_level, half_width
from orchestrator.statistics.power import fewest, replicates_to_bound
from orchestrator.statistics.wording import number, plain, spelled, spoken, told
from search_spaces.study import PREFERENCE, Claim, Criterion
from trainables.latents.batching.surrogates import NULLS, PLANTS, SURROGATES, Surrogate

_NULL_WORDS = {
    Surrogate.WHITE: "that shuffled frames give",
    Surrogate.GAUSSIAN: "that a linear-Gaussian copy of the frames gives",
}
# What a null gives, in words, and the arm's figure less that; None where one was not measured.
_Hardest = tuple[str, Interval | None]


def assess(criterion: Criterion, measures: Measures, decodable: bool) -> CriterionResult:
    """Judge one criterion; ``decodable`` says whether the representation can be turned back into audio."""
    if criterion.needs_decoder and not decodable:
        sentence = f"{spoken(criterion.metric)} does not apply: this representation has no decoder to audio."
        return CriterionResult(criterion, Outcome.NOT_APPLICABLE, sentence)
    if criterion.metric == PREFERENCE:
        return assess_preference(criterion, measures.ratings, measures.level)
    if criterion.claim is Claim.TIMES:
        return _times(criterion, measures)
    arm, metric, versus = criterion.arm, criterion.metric, criterion.versus
    interval, white, gaussian = (
        measures.value(arm, metric, versus=versus, surrogate=surrogate) for surrogate in SURROGATES
    )
    dropped = measures.dropped(arm, metric)
    if interval is None:
        sentence = f"{subject(criterion)} was not measured."
        return CriterionResult(criterion, Outcome.NOT_MEASURED, sentence, dropped=dropped)
    kept, lost = (measures.value(arm, metric, versus=versus, surrogate=plant) for plant in PLANTS)
    null, excess = _hardest_null(criterion, measures)
    outcome, sentence = _decided(criterion, interval, null, excess)
    if criterion.seeds:
        outcome, sentence = _of_seeds(criterion, measures, outcome, sentence)
    return CriterionResult(
        criterion,
        outcome,
        sentence,
        estimate=interval,
        white=white,
        gaussian=gaussian,
        kept=kept,
        lost=lost,
        dropped=dropped,
        excess=excess,
    )


def _of_seeds(
    criterion: Criterion, measures: Measures, outcome: Outcome, sentence: str
) -> tuple[Outcome, str]:
    """The outcome where a share of seeds has to meet the claim as well, each by itself."""
    share = seed_share(criterion, measures, measures.level)
    if share is None:
        return Outcome.NOT_MEASURED, sentence
    count = len(share.seeds)
    asked = f"{100 * criterion.seeds:.3g} %"
    found = f"{share.met} of {count} seeds meet it by themselves, so {100 * share.low:.0f} to "
    found += f"{100 * share.high:.0f} % of all do"
    if share.high < criterion.seeds:
        return Outcome.FAILED, f"{sentence} {found}, and {asked} have to."
    if outcome is not Outcome.MET or share.low > criterion.seeds:
        return outcome, f"{sentence} {found}."
    needed = replicates_to_bound(criterion.seeds, measures.level)
    return Outcome.UNDECIDED, f"{sentence} {found}, which does not show {asked}; {needed} of {needed} would."


def _times(criterion: Criterion, measures: Measures) -> CriterionResult:
    """Decided without dividing, so that a denominator near 0 does no harm; the ratio is for the reader."""
    metric, versus, null = criterion.metric, criterion.versus or "", criterion.beats_null
    success, failure = (
        contrast(measures, criterion, times) for times in (criterion.success, criterion.failure)
    )
    numerator, denominator = (metric_above_null(measures, criterion, arm) for arm in (criterion.arm, versus))
    if success is None or failure is None or numerator is None or denominator is None:
        return CriterionResult(criterion, Outcome.NOT_MEASURED, f"{subject(criterion)} was not measured.")
    quotient = ratio(measures, criterion)
    outcome, why = _times_decided(criterion, success, failure, numerator)
    beyond = ", beyond what shuffled frames give" if null else ""
    sides = f"{spelled(numerator)} against {spelled(denominator)}{beyond}"
    value = f"is {spelled(quotient)} ({sides})" if quotient else f"has no value: {sides}"
    white, gaussian, kept, lost = (
        measures.value(criterion.arm, metric, surrogate=s) for s in (*NULLS, *PLANTS)
    )
    return CriterionResult(
        criterion,
        outcome,
        f"{subject(criterion)} {value}; {why}.",
        estimate=quotient,
        white=white,
        gaussian=gaussian,
        kept=kept,
        lost=lost,
        dropped=measures.dropped(criterion.arm, metric),
        contrast=success,
    )


def _times_decided(
    criterion: Criterion, success: Interval, failure: Interval, numerator: Interval
) -> tuple[Outcome, str]:
    if failure.high < 0:
        return Outcome.FAILED, f"less than {plain(criterion.failure)} times, where failure begins"
    if success.low > 0 and numerator.low > 0:
        return Outcome.MET, f"more than {plain(criterion.success)} times"
    if failure.low > 0 and success.high < 0:
        return Outcome.UNDECIDED, (
            f"between {plain(criterion.failure)} and {plain(criterion.success)} times with its whole "
            "interval; more data will not help"
        )
    if success.low > 0:
        return (
            Outcome.UNDECIDED,
            "but the arm's own figure is not above 0, and a multiple of zero says nothing",
        )
    nearest = min((success, failure), key=lambda contrast: abs(contrast.estimate))
    times = plain(criterion.success if nearest is success else criterion.failure)
    return Outcome.UNDECIDED, (
        f"indistinguishable from {times} times; "
        f"{_needed(nearest, abs(nearest.estimate), replicates=not criterion.beats_null)}"
    )


def equivalence_interval(interval: Interval) -> Interval:
    """The interval at level 1 - 2 alpha, which a COMPARABLE claim asks to lie within its margins."""
    return at_level(interval, 2 * interval.level - 1)


def _hardest_null(criterion: Criterion, measures: Measures) -> _Hardest:
    """Of the nulls that a criterion has to beat the one that is beaten by least; an unmeasured one counts as
    that.
    """
    arm, metric, versus = criterion.arm, criterion.metric, criterion.versus
    hardest: _Hardest = ("", None)
    for null in map(Surrogate, criterion.nulls):
        value = measures.value(arm, metric, versus=versus, surrogate=null)
        excess = None if value is None else measures.excess(arm, metric, versus, null)
        if value is None or excess is None:
            return "", None
        if hardest[1] is None or excess.low < hardest[1].low:
            hardest = f"the {spelled(value)} {_NULL_WORDS[null]}", excess
    return hardest


def _decided(
    criterion: Criterion, interval: Interval, null: str, excess: Interval | None
) -> tuple[Outcome, str]:
    statement = f"{subject(criterion)} is {told(interval)}"
    if criterion.claim is Claim.COMPARABLE:
        return _comparable(criterion, interval, statement)
    if criterion.claim is Claim.NOT_WORSE:
        return _not_worse(criterion, interval, statement)
    return _greater(criterion, interval, null, excess, statement)


def _greater(
    criterion: Criterion, interval: Interval, null: str, excess: Interval | None, statement: str
) -> tuple[Outcome, str]:
    above = f"{statement}, entirely above {plain(criterion.success)}"
    if interval.high < criterion.failure:
        return (
            Outcome.FAILED,
            f"{statement}, entirely below {plain(criterion.failure)}, where failure begins.",
        )
    apart = f"(paired by speaker, the difference is {told(excess)})" if excess else ""
    if criterion.beats_null and excess is not None and excess.high < 0:
        return Outcome.FAILED, f"{statement}, below {null} {apart}."
    if not interval.low > criterion.success:
        return Outcome.UNDECIDED, f"{statement}: {_why_undecided(criterion, interval)}"
    if not criterion.beats_null:
        return Outcome.MET, f"{above}."
    if excess is None:
        return Outcome.NOT_MEASURED, f"{statement}, but {_unmeasured(criterion)} was not measured."
    if excess.low > 0:
        return Outcome.MET, f"{above} and above {null} {apart}."
    more = f"; {_needed(excess, excess.estimate, replicates=False)}" if excess.estimate > 0 else ""
    return Outcome.UNDECIDED, f"{above}, but not above {null} {apart}: it is no evidence{more}."


def _unmeasured(criterion: Criterion) -> str:
    return "its white-noise null" if criterion.nulls == (Surrogate.WHITE,) else "one of its nulls"


def _comparable(criterion: Criterion, interval: Interval, statement: str) -> tuple[Outcome, str]:
    narrow, margin = equivalence_interval(interval), criterion.margin
    distance, at = abs(interval.estimate), f"at {100 * narrow.level:.3g} %"
    extent = f"{at} [{number(narrow.low)}, {number(narrow.high)}]"
    if -margin < narrow.low and narrow.high < margin:
        return (
            Outcome.MET,
            f"{statement}, {extent}, which lies within ±{plain(margin)}: no difference that counts.",
        )
    if interval.low > margin or interval.high < -margin:
        return Outcome.FAILED, f"{statement}, entirely outside ±{plain(margin)}: the difference counts."
    deciding = narrow if distance < margin else interval
    return Outcome.UNDECIDED, (
        f"{statement}, {extent}, neither within ±{plain(margin)} nor outside; "
        f"{_needed(deciding, abs(distance - margin))}."
    )


def _not_worse(criterion: Criterion, interval: Interval, statement: str) -> tuple[Outcome, str]:
    least = f"−{plain(criterion.margin)}"
    if interval.low > -criterion.margin:
        return Outcome.MET, f"{statement}, entirely above {least}, so not worse by anything that counts."
    if interval.high < -criterion.margin:
        return (
            Outcome.FAILED,
            f"{statement}, entirely below {least}, so worse by more than still counts as equal.",
        )
    gap = abs(interval.estimate + criterion.margin)
    return Outcome.UNDECIDED, f"{statement}: the interval reaches across {least}; {_needed(interval, gap)}."


def _why_undecided(criterion: Criterion, interval: Interval) -> str:
    success, failure = criterion.success, criterion.failure
    if interval.low > failure and interval.high < success:
        return (
            f"between the thresholds {plain(failure)} and {plain(success)} with its whole interval; "
            "more data will not help."
        )
    if interval.estimate > success:
        gap = interval.estimate - success
        return f"the interval includes {plain(success)}; {_needed(interval, gap)}."
    if interval.estimate < failure:
        gap = failure - interval.estimate
        return f"the interval includes {plain(failure)}; {_needed(interval, gap)}."
    if failure == success:
        return f"it is indistinguishable from {plain(success)}."
    gap = min(interval.estimate - failure, success - interval.estimate)
    return (
        f"the estimate lies between the thresholds {plain(failure)} and {plain(success)}; "
        f"{_needed(interval, gap)}, and if it stays there, more data will not help."
    )


def _needed(interval: Interval, gap: float, *, replicates: bool = True) -> str:
    """How many speakers, or seeds, would make half the interval narrower than ``gap``, all else equal.

    Without ``replicates`` only speakers are counted: more seeds of the arm add no seed of its null.
    """
    if not math.isfinite(interval.high):
        return "one seed on one speaker says nothing of the spread"
    speakers = fewest(lambda n: half_width(interval, n, interval.n_seeds) < gap, interval.n_speakers + 1)
    seeds = fewest(lambda n: half_width(interval, interval.n_speakers, n) < gap, interval.n_seeds + 1)
    more = [(speakers, "test speakers", interval.n_speakers)]
    more += [(seeds, "replicates", interval.n_seeds)] if replicates else []
    ways = [f"about {roughly(count)} {units} instead of {now}" for count, units, now in more if count]
    if not ways and replicates:
        return "neither more test speakers nor more replicates alone would be enough"
    if not ways:
        return "more test speakers alone would not be enough"
    return f"to decide at this estimate it would take {' or '.join(ways)}"


def roughly(count: int) -> int:
    """A count rounded up to two digits that say something."""
    step = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step
