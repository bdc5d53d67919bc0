"""Quality of continuations decides nothing where no arm is above a frozen frame and the mean vector."""

import pytest

from orchestrator.judging.criteria import Outcome
from orchestrator.judging.verdict import Verdict, judge
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence

LOST = {"cos": (0.7, 0.1), "ratio": (0.3, 0.03)}


def judged(mdn, vmf, **floors):
    """The judgement, and its criterion on quality, where floors score so much."""
    record = evidence(
        {"mdn": Truth(**LOST, quality=mdn), "vmf": Truth(cos=(0.72, 0.7), quality=vmf)}, codec="soundstream"
    )
    for arm in record.arms.values():
        for row in (row for replicate in arm.replicates for row in replicate.listening):
            row |= floors
    judgement = judge(STUDY, record)
    quality = next(r for r in judgement.criteria if r.criterion.metric == "continuation_quality")
    return judgement, quality


@pytest.mark.parametrize(("mdn", "vmf"), [(0.3, 0.2), (0.2, 0.3)])
def test_at_the_floor_it_neither_fails_nor_is_met(mdn, vmf):
    judgement, quality = judged(mdn, vmf, frozen_quality=0.1, mean_quality=0.6)
    assert quality.outcome is Outcome.NOT_MEASURABLE and quality.estimate is not None
    assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("mdn", "vmf", "verdict"), [(0.3, 0.2, Verdict.NO_GO), (0.2, 0.4, Verdict.GO), (0.02, 0.4, Verdict.GO)]
)
def test_one_arm_above_both_floors_is_enough(mdn, vmf, verdict):
    judgement, quality = judged(mdn, vmf, frozen_quality=0.05, mean_quality=0.1)
    assert quality.outcome is not Outcome.NOT_MEASURABLE
    assert judgement.verdict is verdict


def test_runs_without_floors_are_judged_as_before():
    _, quality = judged(0.3, 0.2)
    assert quality.outcome is Outcome.FAILED
    _, quality = judged(0.3, 0.2, frozen_quality=0.9)
    assert quality.outcome is Outcome.FAILED
