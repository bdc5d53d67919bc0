"""What a page says of how far training went."""

import pytest

from orchestrator.judging.verdict import judge
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.training_section import training_check
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence


@pytest.mark.parametrize(("late_gain", "change"), [(0.004, "rose by 0.004"), (-0.05, "fell by 0.050")])
def test_the_first_screen_says_which_way_a_curve_went(late_gain: float, change: str) -> None:
    record = evidence({"mdn": Truth(), "vmf": Truth(late_gain=late_gain)})
    run = JudgedRun(STUDY, record, judge(STUDY, record))
    assert training_check(run)["change"] == change
