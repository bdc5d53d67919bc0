"""No NO-GO from an arm that was still learning, or that ridge regression on the same past beats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.judging.learning import validation_curves
from orchestrator.judging.verdict import Judgement, Verdict, judge
from orchestrator.statistics.power import smallest_effect, spread_of
from search_spaces.study import Claim, declared
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence

MDN = Truth(cos=(0.7, 0.2))
LOST = {"cos": (0.7, 0.1), "information": 0.5}


def verdict(truth: Truth, **settings: object) -> Judgement:
    return judge(STUDY, evidence({"mdn": MDN, "vmf": truth}, **settings))


def test_an_arm_whose_curve_is_flat_may_fail() -> None:
    judgement = verdict(Truth(**LOST))
    assert judgement.verdict is Verdict.NO_GO
    assert judgement.learning["vmf"].gain == pytest.approx(0)


def test_an_arm_that_still_learns_does_not_fail_and_the_budget_is_named() -> None:
    judgement = verdict(Truth(**LOST, late_gain=0.08))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.learning["vmf"].gain == pytest.approx(0.08)
    assert "till learning" in judgement.reason and "epochs instead of" in judgement.reason


def test_what_patience_ended_no_longer_learns() -> None:
    judgement = verdict(Truth(**LOST, late_gain=0.08, patient=True, config={"patience": 2}))
    assert judgement.verdict is Verdict.NO_GO
    state = judgement.learning["vmf"]
    assert (state.by_patience, state.replicates, state.gain) == (6, 6, 0)


def test_a_phase_that_only_harms_and_is_left_out_is_not_what_an_arm_is_judged_by() -> None:
    record = evidence({"mdn": MDN, "vmf": Truth(**LOST)})
    for replicate in record.arms["vmf"].replicates:
        for epoch, cosine in enumerate((0.0, 0.1, 0.2, 0.1, 0.0, -0.1)):  # rises until rollouts begin
            replicate.history[epoch]["cos@16"] = cosine
        replicate.courses["rollout"] |= {"best_epoch": -1, "best_loss": 0.1}
    judgement = judge(STUDY, record)
    state = judgement.learning["vmf"]
    assert (state.phase, state.left_out, state.epochs) == ("teacher", ("rollout",), 3)
    assert state.gain == pytest.approx(0.1) and state.goes_on and judgement.verdict is Verdict.INCONCLUSIVE
    record.arms["vmf"].replicates[0].courses["rollout"]["best_epoch"] = 1  # it led to one that is judged
    state = judge(STUDY, record).learning["vmf"]
    assert (state.phase, state.left_out) == ("rollout", ())
    assert state.gain == pytest.approx((5 * 0.1 - 0.1) / 6)


def test_an_arm_that_fails_by_less_than_it_catches_up_does_not_fail() -> None:
    compared = replace(STUDY.primary, versus="mdn", success=0.0, failure=0.0)
    study = replace(STUDY, criteria=(compared,))

    def judged(own: float, other: float) -> Judgement:
        arms = {
            "mdn": Truth(cos=(0.7, 0.24), seed_sd=0.004, late_gain=other),
            "vmf": Truth(cos=(0.7, 0.212), information=0.5, seed_sd=0.004, late_gain=own),
        }
        return judge(study, evidence(arms, study=study))

    flat = judged(0.0, 0.0)
    assert flat.verdict is Verdict.NO_GO
    shortfall = -flat.criteria[0].estimate.high
    gain = 1.2 * shortfall
    assert gain < flat.learning["vmf"].smallest, "the rise alone could not be told apart"
    caught = judged(gain, 0.0)
    assert caught.verdict is Verdict.INCONCLUSIVE
    assert f"{gain:.3f} more than that of mdn" in caught.reason and "by which it fails" in caught.reason
    assert judged(gain, gain).verdict is Verdict.NO_GO, "both rise alike"
    assert judged(0.8 * shortfall, 0.0).verdict is Verdict.NO_GO


def test_less_than_the_run_can_tell_apart_is_no_excuse() -> None:
    wide = verdict(Truth(**LOST, late_gain=0.02, speaker_sd=0.1))
    assert wide.verdict is Verdict.NO_GO
    half = (wide.criteria[0].estimate.high - wide.criteria[0].estimate.low) / 2
    assert wide.learning["vmf"].gain < half


def test_a_ratio_is_told_apart_in_units_of_its_metric() -> None:
    times = replace(STUDY.primary, claim=Claim.TIMES, versus="mdn", success=3.0, failure=2.0)
    study = replace(STUDY, criteria=(times,))
    judged = {
        gain: judge(study, evidence({"mdn": MDN, "vmf": Truth(cos=(0.7, 0.3), late_gain=gain)}))
        for gain in (0.05, 0.3)
    }
    for gain, judgement in judged.items():
        state, found = judgement.learning["vmf"], judgement.criteria[0].estimate
        of_ratio = smallest_effect(spread_of(found), found.n_speakers, found.n_seeds, found.level, 0.8)
        assert state.smallest == pytest.approx(0.2 * of_ratio, rel=0.1)  # of the 0.2 that mdn reaches
        assert 0.05 < state.smallest < 0.3 < of_ratio
        assert state.goes_on == (gain == 0.3)


def test_a_rise_that_may_be_chance_is_no_excuse() -> None:
    record = evidence({"mdn": MDN, "vmf": Truth(**LOST)})
    for sign, replicate in zip((1, -1, 1, -1, 1, 1), record.arms["vmf"].replicates, strict=True):
        replicate.history[-1]["cos@16"] += 0.15 * sign  # 0.05 on average
    judgement = judge(STUDY, record)
    state = judgement.learning["vmf"]
    assert state.gain == pytest.approx(0.05) and state.sure_gain < 0
    assert judgement.verdict is Verdict.NO_GO


def test_an_arm_that_ridge_beats_on_the_primary_metric_does_not_fail() -> None:
    judgement = verdict(Truth(**LOST, ridge=(0.7, 0.2)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert list(judgement.learning["vmf"].behind_ridge) == ["cos@16"]
    assert "orse than ridge" in judgement.reason


@pytest.mark.parametrize(("cosine", "behind"), [(0.71, False), (0.75, True)])
def test_a_little_less_than_ridge_one_step_ahead_is_a_matter_of_family(cosine: float, behind: bool) -> None:
    judgement = verdict(Truth(**LOST, ridge=(cosine, 0.05)))
    assert ("one_step_cosine" in judgement.learning["vmf"].behind_ridge) == behind
    assert judgement.verdict is (Verdict.INCONCLUSIVE if behind else Verdict.NO_GO)


def test_a_defect_of_an_arm_that_ridge_beats_is_not_believed() -> None:
    truth = Truth(cos=(0.72, 0.7), ridge=(0.9, 0.9))
    verdicts = {}
    for defect in (False, True):
        study = replace(STUDY, criteria=(replace(STUDY.primary, defect=defect),))
        for name, taught in (("taught", replace(truth, ridge=(0.5, 0.5))), ("untaught", truth)):
            judgement = judge(study, evidence({"mdn": MDN, "vmf": taught}, study=study))
            verdicts[defect, name] = judgement.verdict
    assert verdicts.pop((True, "untaught")) is Verdict.INCONCLUSIVE
    assert set(verdicts.values()) == {Verdict.GO}
    assert "its defect says nothing about the hypothesis" in judgement.reason
    assert judgement.decisive is judgement.primary
    assert "defect" not in declared(STUDY)["criteria"][0], "studies from before it keep their hashes"


def test_ridge_stands_in_the_way_of_no_success() -> None:
    judgement = verdict(Truth(cos=(0.72, 0.7), ridge=(0.9, 0.9), late_gain=0.3))
    assert judgement.verdict is Verdict.GO


def test_the_learning_of_another_arm_is_no_excuse() -> None:
    arms = {"mdn": Truth(cos=(0.7, 0.2), late_gain=0.2, ridge=(0.9, 0.9)), "vmf": Truth(**LOST)}
    assert judge(STUDY, evidence(arms)).verdict is Verdict.NO_GO


def test_information_is_followed_by_the_nll() -> None:
    (replicate, *_) = evidence({"mdn": MDN, "vmf": Truth()}).arms["vmf"].replicates
    replicate.history = [{"phase": "teacher", "nll": nll} for nll in (5.0, 4.0, 3.5)]
    assert validation_curves([replicate], "predictive_information") == [[-5.0, -4.0, -3.5]]


@pytest.mark.parametrize(
    ("effort", "remedy"),
    [("quick", "--effort standard"), ("standard", "--effort thorough"), ("thorough", "--set teacher_epochs")],
)
@pytest.mark.parametrize("why", [{"late_gain": 0.08}, {"ridge": (0.7, 0.2)}])
def test_what_trains_longer_is_named_for_the_effort_that_was_made(
    effort: str, remedy: str, why: dict[str, Any]
) -> None:
    study = replace(STUDY, effort=effort)
    judgement = judge(study, evidence({"mdn": MDN, "vmf": Truth(**LOST, **why)}))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f"({remedy}" in judgement.reason
