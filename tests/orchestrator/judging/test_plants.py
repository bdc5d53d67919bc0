"""Verdicts in the light of plants: an arm that misses what is there may not say that there is nothing."""

from dataclasses import replace

import pytest

from orchestrator.judging.verdict import Verdict, judge
from orchestrator.records.evidence import Evidence
from search_spaces import load
from search_spaces.study import Plant
from tests.orchestrator.synthetic_evidence import OPTIMA, STUDY, Truth, evidence
from trainables.latents.batching.surrogates import PLANTS, Surrogate
from trainables.predictor.scores import LaneStatus

MDN = Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05))
WORSE = Truth(cos=(0.7, 0.05))
OPTIMUM = OPTIMA[Surrogate.KEPT]["cos"][-1]


def readings(judgement):
    return {reading.arm: reading for reading in judgement.plants}


def test_arms_that_find_the_plant_may_say_no():
    judgement = judge(STUDY, evidence({"mdn": MDN, "vmf": WORSE}))
    assert judgement.verdict is Verdict.NO_GO
    for reading in judgement.plants:
        assert reading.reached and not reading.problem
        assert reading.kept.n_seeds == reading.lost.n_seeds == 3
        assert reading.needed == pytest.approx(0.9 * OPTIMUM)
        assert reading.ceiling == STUDY.primary.failure
    assert [reading["found"] for reading in judgement.to_json()["plants"]] == [True, True]


@pytest.mark.parametrize("vmf", [WORSE, Truth()])  # whatever the verdict would be
def test_an_arm_that_misses_the_plant_makes_a_verdict_inadmissible(vmf):
    crippled = replace(vmf, kept=(0.02, 0.02))
    judgement = judge(STUDY, evidence({"mdn": MDN, "vmf": crippled}))
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert judgement.reason == readings(judgement)["vmf"].problem
    assert not readings(judgement)["vmf"].reached and readings(judgement)["mdn"].reached
    assert "the vmf arm does not find a direction that is there" in judgement.reason
    assert "0.83 is possible" in judgement.reason


@pytest.mark.parametrize(("share", "reached"), [(0.86, False), (0.94, True)])
def test_nine_tenths_of_the_optimum_have_to_be_reached(share, reached):
    vmf = replace(WORSE, kept=(0.8, share * OPTIMUM), speaker_sd=1e-3, seed_sd=1e-3)
    judgement = judge(STUDY, evidence({"mdn": MDN, "vmf": vmf}))
    assert readings(judgement)["vmf"].reached is reached
    assert (judgement.verdict is Verdict.NO_GO) is reached


def test_an_arm_that_keeps_a_lost_direction_makes_a_verdict_inadmissible():
    judgement = judge(STUDY, evidence({"mdn": MDN, "vmf": replace(Truth(), lost=(0.7, 0.4))}))
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert "does not see that a direction is lost" in judgement.reason


@pytest.mark.parametrize("plant", PLANTS)
def test_seeds_that_diverged_on_a_plant_count_as_nothing_found(plant):
    record = evidence({"mdn": MDN, "vmf": WORSE})
    for lane in record.arms["vmf"].plants:
        if lane.surrogate is plant and lane.seed < 2:
            lane.status, lane.scores = LaneStatus.DIVERGED, None
    reading = readings(judge(STUDY, record))["vmf"]
    assert reading.reached is (plant is not Surrogate.KEPT)


def test_plants_that_were_not_trained_make_a_verdict_inadmissible_but_not_where_none_are_declared():
    record = evidence({"mdn": MDN, "vmf": WORSE})
    record.arms["vmf"].plants.clear()
    judgement = judge(STUDY, record)
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert judgement.reason == "The vmf arm was not measured on planted frames."
    unplanted = replace(STUDY, plant=Plant.NONE)
    again = evidence({"mdn": MDN, "vmf": WORSE}, study=unplanted)
    again.arms["vmf"].plants.clear()
    judgement = judge(unplanted, again)
    assert (judgement.verdict, judgement.plants) == (Verdict.NO_GO, ())


def test_a_smoke_run_trains_on_plants_and_is_not_judged_by_them():
    record = evidence({"mdn": MDN, "vmf": replace(WORSE, kept=(0.0, 0.0))})
    record.provenance["smoke"] = True
    assert judge(STUDY, record).verdict is Verdict.NO_GO


def test_a_claim_about_information_asks_for_information_on_the_plant():
    whole = load("heads")
    assert whole.plant is Plant.INFORMATION
    two = tuple(arm for arm in whole.arms if arm.name in ("vmf", "linear"))
    study = replace(whole, arms=two, criteria=(whole.primary,))
    truths = {"vmf": Truth(), "linear": Truth(information=-3.0)}
    judgement = judge(study, evidence(truths, study=study))
    assert {arm: reading.reached for arm, reading in readings(judgement).items()} == {
        "vmf": True,
        "linear": False,
    }
    assert "the linear arm does not find a past that is there" in readings(judgement)["linear"].problem


def test_what_plants_showed_outlives_the_record_on_disk(tmp_path):
    record = evidence()
    record.write(tmp_path / "evidence.json")
    again = Evidence.read(tmp_path / "evidence.json")
    assert again.plants == record.plants
    assert judge(STUDY, again).to_json()["plants"] == judge(STUDY, record).to_json()["plants"]


def test_criteria_show_what_is_possible_on_plants():
    primary = judge(STUDY, evidence()).criteria[0]
    assert primary.kept_optimum == pytest.approx(OPTIMUM)
    assert primary.kept.estimate == pytest.approx(0.8, abs=0.05)
    assert abs(primary.lost.estimate) < 0.1 and primary.lost_optimum == pytest.approx(0.03)
