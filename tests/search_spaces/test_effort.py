"""How much a study trains, and what its user sets, is part of the study."""

from __future__ import annotations

from dataclasses import replace

import pytest

import search_spaces
from orchestrator.execution.search import ArmSearch
from orchestrator.planning.plan import make_plan, shrunk
from orchestrator.records.seal import study_changes
from orchestrator.runtime.cli import parsed_settings
from search_spaces.effort import EFFORTS, QUICK, STANDARD, THOROUGH, with_effort, with_settings
from search_spaces.study import PHASES, StudyError, declared
from trainables.errors import InputError
from trainables.predictor.config import FITTED_HEADS

STUDY = search_spaces.load("vmf_vs_mdn")
RUNNABLE = [name for name in search_spaces.names() if not search_spaces.load(name).missing]


def test_a_study_of_predictors_may_train_otherwise_than_an_effort_says() -> None:
    own = replace(STUDY, efforts={STANDARD: {"teacher_epochs": 5}})
    asked = with_effort(own, STANDARD)
    assert asked.fixed == {**with_effort(STUDY, STANDARD).fixed, "teacher_epochs": 5}
    assert with_effort(own, QUICK) == own


def test_arms_whose_steps_take_longer_have_fewer_epochs() -> None:
    dear, cheap = replace(STUDY.arms[0], pace=2.3), replace(STUDY.arms[1], pace=0.8)
    study = replace(STUDY, arms=(dear, cheap))
    plan = make_plan(with_effort(study, STANDARD))
    epochs = {arm.name: plan.fixed(arm)["teacher_epochs"] for arm in plan.study.arms}
    assert epochs == {dear.name: 3, cheap.name: 10}  # of 8
    shares = {arm.name: plan.exploring_lengths(arm)["teacher_epochs"] for arm in plan.study.arms}
    assert shares == {dear.name: 1, cheap.name: 2}
    asked = make_plan(with_settings(study, {"teacher_epochs": 6}))
    assert {asked.fixed(arm)["teacher_epochs"] for arm in asked.study.arms} == {6}
    tiny = make_plan(study, smoke=True)
    assert all(tiny.fixed(arm)["teacher_epochs"] >= 1 for arm in tiny.study.arms)
    assert declared(study)["arms"][0]["pace"] == 2.3 and "pace" not in declared(STUDY)["arms"][0]


@pytest.mark.parametrize("effort", EFFORTS)
def test_heads_are_compared_after_equal_time(effort: str) -> None:
    plan = make_plan(with_effort(search_spaces.load("heads"), effort))
    trained = [arm for arm in plan.study.arms if arm.fixed["head"] not in FITTED_HEADS]
    times = [arm.pace * plan.fixed(arm)["teacher_epochs"] for arm in trained]
    assert max(times) < 4 / 3 * min(times)  # epochs are whole
    assert {plan.fixed(arm)["rollout_epochs"] for arm in trained} == {0}


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("effort", EFFORTS)
def test_every_study_can_be_planned_with_every_effort(name: str, effort: str) -> None:
    study = with_effort(search_spaces.load(name), effort)
    for asked in (study, shrunk(study)):
        plan = make_plan(asked, frame_rates={"": 50.0, "the first latents given": 50.0})
        for arm in plan.study.arms:
            if not asked.compares:
                drawn = {n: _some(domain) for n, domain in plan.space(arm).items()}
                structure = plan.lane_config({**plan.fixed(arm), **drawn}).structure
                if arm.trainable == "predictor":
                    patience = 0 if asked is not study else EFFORTS[effort].get("patience", 0)
                    assert structure.patience == patience


def _some(domain: object) -> object:
    return domain.options[0] if hasattr(domain, "options") else domain.low


def test_quick_is_the_study_as_it_is_declared() -> None:
    assert with_effort(STUDY, QUICK) == STUDY


def test_a_study_without_rollout_training_gets_none() -> None:
    study = search_spaces.load("representations")
    assert study.fixed["rollout_epochs"] == 0
    assert {with_effort(study, effort).fixed["rollout_epochs"] for effort in EFFORTS} == {0}


def test_explored_lanes_train_a_part_of_the_epochs_and_their_winner_trains_all() -> None:
    plan = make_plan(with_effort(STUDY, STANDARD))
    for arm in plan.study.arms:
        pack = ArmSearch(plan, arm).take()
        structure, whole = pack.configs[0].structure, EFFORTS[STANDARD]
        assert structure.teacher_epochs == round(0.25 * whole["teacher_epochs"])
        assert structure.rollout_epochs == 1 > 0.25 * whole["rollout_epochs"]  # at least one
        winner = plan.in_full(arm, pack.configs[0])
        assert {name: getattr(winner.structure, name) for name in PHASES} == {n: whole[n] for n in PHASES}
        assert winner == pack.configs[0] | {name: whole[name] for name in PHASES}
        assert plan.in_full(arm, None) is None
    quick = make_plan(STUDY)
    assert all(ArmSearch(quick, arm).take().configs[0].structure.teacher_epochs == 3 for arm in STUDY.arms)


@pytest.mark.parametrize("name", ["linear_readout", "two_stage"])
def test_what_trains_by_steps_is_explored_with_a_part_of_them(name: str) -> None:
    study = with_effort(search_spaces.load(name), STANDARD)
    plan = make_plan(study)
    for arm in study.arms:
        explored = ArmSearch(plan, arm).take().configs[0]
        assert explored.structure.steps == round(0.25 * study.fixed["steps"])
        assert plan.in_full(arm, explored).structure.steps == study.fixed["steps"]


def test_a_setting_holds_in_every_arm_and_is_searched_no_longer() -> None:
    plan = make_plan(
        with_settings(with_effort(STUDY, STANDARD), {"width": 48, "rollout": 4, "feedback": "mode"})
    )
    for arm in plan.study.arms:
        assert not {"width", "rollout", "feedback"} & set(plan.space(arm))
        fixed = plan.fixed(arm)
        assert (fixed["width"], fixed["rollout"], fixed["feedback"]) == (48, 4, "mode")


def test_a_setting_in_frames_takes_the_place_of_one_in_milliseconds() -> None:
    study = with_settings(with_settings(STUDY, {"context_ms": 400}), {"context": 12})
    assert "context_ms" not in study.fixed and study.fixed["context"] == 12
    back = with_settings(study, {"context_ms": 400})
    assert "context" not in back.fixed
    assert (
        make_plan(back, frame_rates={"": 50.0}).lane_config({**back.fixed, "head": "mdn"}).structure.context
        == 20
    )


def test_what_tells_arms_apart_cannot_be_set() -> None:
    with pytest.raises(StudyError, match="head"):
        with_settings(STUDY, {"head": "flow"})


def test_an_effort_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(StudyError, match="'heroic'.*quick, standard, thorough"):
        with_effort(STUDY, "heroic")


@pytest.mark.parametrize("smoke", [False, True])
def test_effort_and_settings_are_sealed_and_found_again(smoke: bool) -> None:
    asked = with_settings(with_effort(STUDY, THOROUGH), {"width": 48})
    sealed = {"study": declared(shrunk(asked) if smoke else asked)}
    assert sealed["study"]["effort"] == THOROUGH and sealed["study"]["settings"] == {"width": 48}
    assert study_changes(sealed, shrunk(asked) if smoke else asked) == []
    if not smoke:
        assert study_changes(sealed, STUDY) == [], "the declaration has not changed"
        sealed["study"]["fixed"]["width"] = 96
        assert len(study_changes(sealed, STUDY)) == 1


def test_settings_are_read_as_json_where_they_are_json() -> None:
    given = ["width=128", "learning_rate=1e-3", "jacobian=false", "backbone=transformer", "temperature=0.5"]
    assert parsed_settings(given) == {
        "width": 128,
        "learning_rate": 1e-3,
        "jacobian": False,
        "backbone": "transformer",
        "temperature": 0.5,
    }


@pytest.mark.parametrize("given", [["width"], ["=3"], ["a b=3"], ["width=1", "width=2"]], ids=str)
def test_a_setting_without_name_or_value_is_refused(given: list[str]) -> None:
    with pytest.raises(InputError, match="--set"):
        parsed_settings(given)


@pytest.mark.parametrize(
    "name",
    ["archetypes", "linear_readout", "perception", "score_correction", "two_stage", "two_stage_oracle"],
)
def test_efforts_of_predictors_leave_other_trainables_alone(name: str) -> None:
    study = search_spaces.load(name)
    assert study.trainables != ("predictor",)
    for effort in EFFORTS:
        asked = with_effort(study, effort)
        changed = study.efforts.get(effort, {})
        share = 0.25 if set(changed) & set(study.lengths) else 1.0
        budget = replace(study.budget, exploration=share)
        assert (asked.fixed, asked.budget, asked.effort) == ({**study.fixed, **changed}, budget, effort)
    small = shrunk(study)
    assert small.efforts["smoke"].items() <= small.fixed.items()
    assert not any(set(small.fixed) & set(arm.space) for arm in small.arms)


def test_what_one_process_trains_is_not_spread_over_several() -> None:
    with pytest.raises(InputError, match="--workers is 2, and one process trains the arm 'archetypes'"):
        make_plan(search_spaces.load("archetypes"), workers=2)


@pytest.mark.parametrize("name", ["manifold", "components"])
def test_predictors_of_which_more_is_measured_are_trained_as_any_other(name: str) -> None:
    study, plain = search_spaces.load(name), search_spaces.load("vmf_vs_mdn")
    assert study.trainables == (name,)
    small = shrunk(study).fixed
    assert all(
        small[setting] == value for setting, value in shrunk(plain).fixed.items() if setting == "steps"
    )
    asked, as_any = with_effort(study, STANDARD), with_effort(plain, STANDARD)
    assert asked.fixed["width"] == as_any.fixed["width"]
    assert asked.budget.exploration == as_any.budget.exploration == 0.25
    assert with_effort(study, QUICK).budget == study.budget
    plan = make_plan(asked)
    explored = plan.exploring_lengths(asked.arms[0])
    assert explored["teacher_epochs"] == round(0.25 * asked.fixed["teacher_epochs"])


@pytest.mark.parametrize("study", RUNNABLE)
def test_a_smoke_run_trains_at_most_two_packs_of_each_arm(study: str) -> None:
    plan = make_plan(search_spaces.load(study), smoke=True)
    assert plan.packs <= 2 and plan.lanes <= 2


def test_a_smoke_run_trains_each_null_and_each_plant_on_one_seed() -> None:
    study = search_spaces.load("heads")
    assert make_plan(study, smoke=True).confirmed_lanes("vmf") == 2 + 4
    assert make_plan(study).confirmed_lanes("vmf") == 6 + 4 * study.budget.control_seeds == 10


def test_only_arms_on_which_a_verdict_depends_are_trained_on_plants() -> None:
    study = search_spaces.load("heads")
    plan = make_plan(study)
    assert plan.planted_arms == study.binding_arms == ("vmf", "linear")
    assert plan.confirmed_lanes("mdn") == 6 + 2
    winner = plan.lane_config(plan.fixed(study.arm("diffusion")))
    asked, *planted = plan.confirmation("diffusion", winner)
    assert len(asked.configs) == 8 and not planted
