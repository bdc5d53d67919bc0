"""One criterion against the evidence: met, failed, undecided, not applicable or not measured, and why.

Every claim is decided by whole intervals. COMPARABLE is decided by two one-sided tests, each at alpha, which
is the interval at 1 - 2 alpha within the margins (D. J. Schuirmann, "A comparison of the two one-sided tests
procedure and the power approach for assessing the equivalence of average bioavailability", 1987).
"""

from __future__ import annotations

from orchestrator.judging.criteria import CriterionResult, Outcome, subject
from orchestrator.judging.measures import Measures
from orchestrator.judging.ratio_claims import contrast, metric_above_null, ratio
from orchestrator.statistics.intervals import Interval, at_level, half_width
from orchestrator.statistics.power import fewest
from orchestrator.statistics.wording import number, plain, spelled, spoken
from search_spaces.study import Claim, Criterion
from trainables.latents.batching.surrogates import NULLS, SURROGATES

_MEMORYLESS = "that frames without any memory give"


def assess(criterion: Criterion, measures: Measures, decodable: bool) -> CriterionResult:
    """Judge one criterion; ``decodable`` says whether the representation can be turned back into audio."""
    if criterion.needs_decoder and not decodable:
        sentence = f"{spoken(criterion.metric)} does not apply: this representation has no decoder to audio."
        return CriterionResult(criterion, Outcome.NOT_APPLICABLE, sentence)
    if criterion.claim is Claim.TIMES:
        return _times(criterion, measures)
    arm, metric, versus = criterion.arm, criterion.metric, criterion.versus
    found, white, gaussian = (
        measures.value(arm, metric, versus=versus, surrogate=surrogate) for surrogate in SURROGATES
    )
    dropped = measures.dropped(arm, metric)
    if found is None:
        sentence = f"{subject(criterion)} was not measured."
        return CriterionResult(criterion, Outcome.NOT_MEASURED, sentence, dropped=dropped)
    excess = None if white is None else measures.excess(arm, metric, versus)
    outcome, sentence = _decided(criterion, found, white, excess)
    return CriterionResult(
        criterion,
        outcome,
        sentence,
        estimate=found,
        white=white,
        gaussian=gaussian,
        dropped=dropped,
        excess=excess,
    )


def _times(criterion: Criterion, measures: Measures) -> CriterionResult:
    """Decided without dividing, so that a denominator near 0 does no harm; the ratio is for the reader."""
    metric, versus, null = criterion.metric, criterion.versus or "", criterion.beats_null
    success, failure = (contrast(measures, criterion, t) for t in (criterion.success, criterion.failure))
    own, other = (metric_above_null(measures, criterion, arm) for arm in (criterion.arm, versus))
    if success is None or failure is None or own is None or other is None:
        return CriterionResult(criterion, Outcome.NOT_MEASURED, f"{subject(criterion)} was not measured.")
    times = ratio(measures, criterion)
    outcome, why = _times_decided(criterion, success, failure, own)
    beyond = ", beyond what frames without any memory give" if null else ""
    sides = f"{spelled(own)} against {spelled(other)}{beyond}"
    said = f"{subject(criterion)} {f'is {spelled(times)} ({sides})' if times else f'cannot be told: {sides}'}"
    white, gaussian = (measures.value(criterion.arm, metric, surrogate=s) for s in NULLS)
    return CriterionResult(
        criterion,
        outcome,
        f"{said}; {why}.",
        estimate=times,
        white=white,
        gaussian=gaussian,
        dropped=measures.dropped(criterion.arm, metric),
        contrast=success,
    )


def _times_decided(
    criterion: Criterion, success: Interval, failure: Interval, own: Interval
) -> tuple[Outcome, str]:
    if failure.high < 0:
        return Outcome.FAILED, f"less than {plain(criterion.failure)} times, where failure begins"
    if success.low > 0 and own.low > 0:
        return Outcome.MET, f"more than {plain(criterion.success)} times"
    if failure.low > 0 and success.high < 0:
        return Outcome.UNDECIDED, (
            f"between {plain(criterion.failure)} and {plain(criterion.success)} times with its whole "
            "interval; more data will not help"
        )
    if success.low > 0:
        return Outcome.UNDECIDED, "but the arm's own figure is not above 0: a multiple of nothing"
    nearest = min((success, failure), key=lambda contrast: abs(contrast.estimate))
    times = plain(criterion.success if nearest is success else criterion.failure)
    return Outcome.UNDECIDED, (
        f"indistinguishable from {times} times; "
        f"{_needed(nearest, abs(nearest.estimate), replicates=not criterion.beats_null)}"
    )


def within(found: Interval) -> Interval:
    """The interval that must lie within the margins of a COMPARABLE claim: at 1 - 2 alpha."""
    return at_level(found, 2 * found.level - 1)


def _decided(
    criterion: Criterion, found: Interval, white: Interval | None, excess: Interval | None
) -> tuple[Outcome, str]:
    said = f"{subject(criterion)} is {spelled(found)}"
    if criterion.claim is Claim.COMPARABLE:
        return _comparable(criterion, found, said)
    if criterion.claim is Claim.NOT_WORSE:
        return _not_worse(criterion, found, said)
    return _greater(criterion, found, white, excess, said)


def _greater(
    criterion: Criterion, found: Interval, white: Interval | None, excess: Interval | None, said: str
) -> tuple[Outcome, str]:
    above = f"{said}, entirely above {plain(criterion.success)}"
    if found.high < criterion.failure:
        return Outcome.FAILED, f"{said}, entirely below {plain(criterion.failure)}, where failure begins."
    null = f"the {spelled(white)} {_MEMORYLESS}" if white else ""
    apart = f"(paired by speaker the difference is {spelled(excess)})" if excess else ""
    if criterion.beats_null and excess is not None and excess.high < 0:
        return Outcome.FAILED, f"{said}, below {null} {apart}."
    if not found.low > criterion.success:
        return Outcome.UNDECIDED, f"{said}: {_why_undecided(criterion, found)}"
    if not criterion.beats_null:
        return Outcome.MET, f"{above}."
    if excess is None:
        return Outcome.NOT_MEASURED, f"{said}, but its white-noise null was not measured."
    if excess.low > 0:
        return Outcome.MET, f"{above} and above {null} {apart}."
    more = f"; {_needed(excess, excess.estimate, replicates=False)}" if excess.estimate > 0 else ""
    return Outcome.UNDECIDED, f"{above}, but not above {null} {apart}: it is no evidence{more}."


def _comparable(criterion: Criterion, found: Interval, said: str) -> tuple[Outcome, str]:
    narrow, margin = within(found), criterion.margin
    size, at = abs(found.estimate), f"at {100 * narrow.level:.3g} %"
    reach = f"{at} [{number(narrow.low)}, {number(narrow.high)}]"
    if -margin < narrow.low and narrow.high < margin:
        return Outcome.MET, f"{said}, {reach}, which lies within ±{plain(margin)}: no difference that counts."
    if found.low > margin or found.high < -margin:
        return Outcome.FAILED, f"{said}, entirely outside ±{plain(margin)}: the difference counts."
    deciding = narrow if size < margin else found
    return Outcome.UNDECIDED, (
        f"{said}, {reach}, neither within ±{plain(margin)} nor outside; "
        f"{_needed(deciding, abs(size - margin))}."
    )


def _not_worse(criterion: Criterion, found: Interval, said: str) -> tuple[Outcome, str]:
    least = f"−{plain(criterion.margin)}"
    if found.low > -criterion.margin:
        return Outcome.MET, f"{said}, entirely above {least}, so not worse by anything that counts."
    if found.high < -criterion.margin:
        return Outcome.FAILED, f"{said}, entirely below {least}, so worse by more than still counts as equal."
    gap = abs(found.estimate + criterion.margin)
    return Outcome.UNDECIDED, f"{said}: the interval reaches across {least}; {_needed(found, gap)}."


def _why_undecided(criterion: Criterion, found: Interval) -> str:
    success, failure = criterion.success, criterion.failure
    if found.low > failure and found.high < success:
        return (
            f"between the thresholds {plain(failure)} and {plain(success)} with its whole interval; "
            "more data will not help."
        )
    if found.estimate > success:
        return f"the interval reaches down to {plain(success)}; {_needed(found, found.estimate - success)}."
    if found.estimate < failure:
        return f"the interval reaches up to {plain(failure)}; {_needed(found, failure - found.estimate)}."
    if failure == success:
        return f"it is indistinguishable from {plain(success)}."
    gap = min(found.estimate - failure, success - found.estimate)
    return (
        f"the estimate lies between the thresholds {plain(failure)} and {plain(success)}; "
        f"{_needed(found, gap)}, and if it stays there, more data will not help."
    )


def _needed(found: Interval, gap: float, *, replicates: bool = True) -> str:
    """How many speakers, or seeds, would shrink half the interval to below ``gap``, all else as it is.

    Without ``replicates`` speakers alone: more seeds of the arm leave those of its null as few as they are.
    """
    speakers = fewest(lambda n: half_width(found, n, found.n_seeds) < gap, found.n_speakers + 1)
    seeds = fewest(lambda n: half_width(found, found.n_speakers, n) < gap, found.n_seeds + 1)
    ways = [
        *([f"about {speakers} test speakers instead of {found.n_speakers}"] if speakers else []),
        *([f"about {seeds} replicates instead of {found.n_seeds}"] if seeds and replicates else []),
    ]
    if not ways and replicates:
        return "neither more test speakers nor more replicates alone would be enough"
    if not ways:
        return "more test speakers alone would not be enough"
    return f"to decide at this estimate it would take {' or '.join(ways)}"
