"""The picture at the top of a report is of what decided."""

from dataclasses import replace

from orchestrator.judging.verdict import judge
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.verdict_header import lead_curve, verdict_header
from search_spaces.study import Claim, Role
from tests.orchestrator.synthetic_evidence import STUDY, evidence


def run_decided_by(**what) -> JudgedRun:
    criteria = (replace(STUDY.criteria[0], **what), *STUDY.criteria[1:])
    study, record = replace(STUDY, criteria=criteria), evidence()
    return JudgedRun(study, record, judge(study, record))


def test_a_difference_that_has_no_curve_is_drawn_beside_what_surrogates_give() -> None:
    run = run_decided_by(metric="one_step_cosine", versus="mdn", success=0.0, failure=0.0)
    picture = verdict_header(run, {})["picture"]
    assert lead_curve(run) == "" and picture is not None
    assert "vmf less mdn" in picture.figure and "shuffled frames: " in picture.figure


def test_a_pair_of_which_no_difference_is_expected_stands_beside_the_one_that_decides() -> None:
    pair = replace(STUDY.criteria[0], metric="one_step_cosine", versus="mdn", success=0.0, failure=0.0)
    same = replace(
        pair, name="same", claim=Claim.COMPARABLE, margin=0.1, role=Role.REPORTED, arm="mdn", versus="vmf"
    )
    study, record = replace(STUDY, criteria=(pair, *STUDY.criteria[1:], same)), evidence()
    picture = verdict_header(JudgedRun(study, record, judge(study, record)), {})["picture"]
    assert picture is not None and "mdn less vmf: " in picture.figure
    assert "two arms of which no difference is expected" in picture.caption


def test_a_curve_is_drawn_where_it_decides_or_where_nothing_else_can() -> None:
    assert lead_curve(run_decided_by()) == "cos"
    assert lead_curve(run_decided_by(metric="cos@16", versus="mdn", success=0.0, failure=0.0)) == "cos"
    assert lead_curve(run_decided_by(metric="one_step_cosine")) == "cos"
