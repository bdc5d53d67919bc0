"""Whether the quality of continuations can tell arms apart at all: some arm has to leave the floor.

A frozen frame and the mean of frames score little, but more than 0. Where no arm is above both, what the
measure says of arms is said of noise: the criterion can then neither be met nor fail.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.judging.criteria import CriterionResult, Outcome
from orchestrator.judging.measures import LISTENING, Measures
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import spelled, spoken

# What a floor is called in the record of a replicate, and in words.
FLOORS = {"frozen_quality": "a frozen frame", "mean_quality": "the mean vector"}
# Of lanes that decode their own runs: the quality, and by how much it exceeds each floor.
_OWN = "quality"
_OVER = {"frozen_quality": "quality_over_frozen", "mean_quality": "quality_over_mean"}


def gated(result: CriterionResult, measures: Measures) -> CriterionResult:
    """The result, or one that is not measurable where no arm of the criterion leaves the floor.

    An arm leaves it where its quality less that of each floor, paired by utterance, is above 0 with the whole
    interval. Runs from before floors were measured are left as they are, and studies that compare with floors
    themselves.
    """
    criterion = result.criterion
    if criterion.metric not in (LISTENING, _OWN) or result.estimate is None:
        return result
    arms = [arm for arm in (criterion.arm, criterion.versus) if arm is not None]
    gaps = {(arm, floor): _above(measures, criterion.metric, arm, floor) for arm in arms for floor in FLOORS}
    known = {key: gap for key, gap in gaps.items() if gap is not None}
    if len(known) < len(gaps) or any(all(known[arm, f].low > 0 for f in FLOORS) for arm in arms):
        return result
    said = [
        f"that of {arm} exceeds {words} by {spelled(known[arm, floor])}"
        for arm in arms
        for floor, words in FLOORS.items()
    ]
    sentence = (
        f"{spoken(criterion.metric)} is not measurable here, as no arm is above both a frozen frame and the "
        f"mean vector: {'; '.join(said)}."
    )
    return replace(result, outcome=Outcome.NOT_MEASURABLE, sentence=sentence)


def _above(measures: Measures, metric: str, arm: str, floor: str) -> Interval | None:
    """By how much an arm's quality exceeds a floor, paired by utterance; None where it was not measured."""
    return measures.above_floor(arm, floor) if metric == LISTENING else measures.value(arm, _OVER[floor])
