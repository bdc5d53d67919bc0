"""Which lanes an ablation needs, and what it makes of them: on evidence whose effects were put there."""

import dataclasses

import numpy as np
import pytest

from orchestrator.judging.ablation_effects import blind_spots, effects
from orchestrator.planning.ablations import ablation_packs, retried_packs
from orchestrator.planning.plan import make_plan
from orchestrator.records.ablation_evidence import gather, stand_ins, variants
from orchestrator.records.evidence import Ablation
from orchestrator.reporting.ablation_section import ablation_warning
from search_spaces import load
from search_spaces.study import Component, Plant
from tests.orchestrator.synthetic_evidence import Truth, evidence
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate

STUDY = load("vmf_vs_mdn")
WINNER = LaneConfig.of(
    {
        **STUDY.fixed,
        "objective": STUDY.objective,
        "head": "vmf",
        "kappa_prior": 0.003,
        "kappa_prior_ratio": 1.4,
        "learning_rate": 0.004,
        "weight_decay": 1e-4,
        "scheduled_sampling": 0.3,
        "rollout": 8,
        "feedback": "mean",
    }
)


def test_every_component_is_taken_out_alone_and_chosen_ones_together():
    names = [v.components for v in variants(STUDY)]
    assert names[: len(STUDY.components)] == [(c.name,) for c in STUDY.components]
    assert names[len(STUDY.components) :] == list(STUDY.pairs)
    both = variants(STUDY)[-1]
    whole = WINNER | {"teacher_epochs": 5, "rollout_epochs": 3}
    part = whole | stand_ins(whole, both)
    changed = {"teacher_epochs": 8, "rollout_epochs": 0, "scheduled_sampling": 0.0}
    assert part == whole | changed, "what rollout training takes is spent on teacher forcing"


def test_packs_hold_each_setting_once_on_the_seeds_of_the_replicates_and_of_one_structure():
    plan = make_plan(STUDY)
    packs = ablation_packs(plan, WINNER)
    lanes = [lane for pack in packs for lane in pack.configs]
    real = [lane for lane in lanes if lane.lane.surrogate is Surrogate.REAL]
    assert len(lanes) == len(set(lanes)) and len(real) % plan.replicates == 0
    assert {config.lane.seed for config in real} == set(plan.confirm_seeds())
    assert sorted(i for pack in packs for i in pack.indexes) == list(range(len(lanes)))
    for pack in packs:
        assert len({config.structure for config in pack.configs}) == 1
        assert len({config.lane.surrogate for config in pack.configs}) == 1


def test_known_harm_is_planted_and_a_second_try_plants_all_the_rest_under_places_of_their_own():
    plan = make_plan(STUDY)
    first, again = (
        [lane for pack in packs for lane in pack.configs]
        for packs in (ablation_packs(plan, WINNER), retried_packs(plan, WINNER))
    )
    planted = [lane for lane in first if lane.lane.surrogate is Surrogate.KEPT]
    state = WINNER | {"rollout_target": "state"}
    bare = lambda lanes: {lane.without("seed", "surrogate") for lane in lanes}  # noqa: E731
    assert bare(planted) == bare([state, state | {"jacobian": False}])
    assert {lane.lane.seed for lane in planted} == set(plan.control_seeds)
    assert {lane.lane.surrogate for lane in again} == {Surrogate.KEPT}
    assert bare(first) == bare([*planted, *again]) and not set(first) & set(again)
    packs = [*ablation_packs(plan, WINNER), *retried_packs(plan, WINNER)]
    places = [pack.place(i) for pack in packs for i in range(len(pack.indexes))]
    assert len(set(places)) == len(places) == len(first) + len(again)
    assert len({pack.name for pack in packs}) == len(packs)


def test_a_study_without_plants_takes_nothing_out_of_planted_frames():
    plan = make_plan(dataclasses.replace(STUDY, plant=Plant.NONE))
    kinds = {c.lane.surrogate for pack in ablation_packs(plan, WINNER) for c in pack.configs}
    assert kinds == {Surrogate.REAL} and retried_packs(plan, WINNER) == []


def test_what_the_winner_does_without_needs_no_lane():
    plan = make_plan(STUDY)
    without = WINNER | {"scheduled_sampling": 0.0, "kappa_prior": 0.0}
    fewer, more = (sum(len(p.indexes) for p in ablation_packs(plan, w)) for w in (without, WINNER))
    # Neither part has to be taken out, and the pair is then the same as rollout training alone.
    assert more - fewer == 3 * plan.replicates


def _evidence(found, effects_put, planted=None):
    """Evidence in which taking each component out costs so much cos@16, and so much on planted frames."""
    record = evidence({"mdn": Truth(cos=(0.7, 0.2)), "vmf": Truth(cos=(0.72, 0.7))})

    def plants(truth, seed):
        return evidence({"mdn": Truth(), "vmf": truth}, seed=seed).arms["vmf"].plants

    for name, (cost, given) in effects_put.items():
        without = evidence({"mdn": Truth(), "vmf": Truth(cos=(0.72, 0.7 - cost))}, seed=5).arms["vmf"]
        against = evidence({"mdn": Truth(), "vmf": Truth(cos=(0.72, 0.6))}, seed=6).arms["vmf"].replicates
        lanes = without.replicates
        if planted is not None:
            lanes = [*lanes, *plants(Truth(kept=(0.83, 0.8 - planted)), 7)]
            against = [*against, *plants(Truth(), 8)]
        record.ablations.append(
            Ablation(
                [name],
                found[name].neutral,
                lanes,
                found[name].given,
                against if given else None,
                found[name].known_harm,
            )
        )
    return record


PARTS = {
    "useful": Component("useful", {"kappa_prior": 0.0}),
    "harmful": Component("harmful", {"scheduled_sampling": 0.0}),
    "idle": Component("idle", {"magnitude": "marginal"}),
    "check": Component("check", {"jacobian": False}, {"rollout_target": "state"}, known_harm=True),
}


def test_effects_are_ranked_and_what_was_put_there_is_found():
    record = _evidence(PARTS, {"idle": (0.0, False), "useful": (0.2, False), "harmful": (-0.1, False)})
    record.arms["vmf"].config |= {"scheduled_sampling": 0.3}
    found = effects(STUDY, record, 0.95)
    assert [e.components for e in found] == [("useful",), ("idle",), ("harmful",)]
    assert found[0].effect.estimate == pytest.approx(0.2, abs=0.02)
    assert found[2].effect.estimate == pytest.approx(-0.1, abs=0.02)
    assert [e.sentence[:5] for e in found] == ["helps", "indis", "harms"]
    assert [e.graded.estimate for e in found] == pytest.approx([0.1, 0.0, -0.05], abs=0.02)
    assert {e.planted for e in found} == {None}


def test_an_effect_under_other_settings_is_measured_against_those():
    found = effects(STUDY, _evidence(PARTS, {"check": (0.3, True)}), 0.95)[0]
    assert found.effect.estimate == pytest.approx(0.6 - 0.4, abs=0.02)
    assert blind_spots([found]) == []


def test_a_known_harm_that_is_not_seen_is_a_blind_spot():
    found = effects(STUDY, _evidence(PARTS, {"check": (0.1, True)}), 0.95)  # 0.6 with it and without it
    assert blind_spots(found) == ["check"] and not found[0].seen_on_plant


@pytest.mark.parametrize("planted", [0.0, 0.4])
def test_planted_frames_show_a_harm_that_real_ones_cannot(planted):
    found = effects(STUDY, _evidence(PARTS, {"check": (0.1, True)}, planted), 0.95)
    assert found[0].planted.estimate == pytest.approx(planted, abs=0.02)
    assert found[0].seen_on_plant == (planted > 0)
    assert blind_spots(found) == ["check"], "real frames still do not show it"
    said = ablation_warning(found, "cos@16")
    assert ("planted frames did" in said) == (planted > 0)
    assert ("do not trust" in said) == (planted == 0)


def test_gathering_puts_every_lane_where_it_belongs():
    plan = make_plan(dataclasses.replace(STUDY, components=(PARTS["useful"], PARTS["check"]), pairs=()))
    outcome = evidence().arms["vmf"].replicates[0]
    lanes = [
        (
            config,
            dataclasses.replace(
                outcome,
                seed=config.lane.seed,
                surrogate=config.lane.surrogate,
                parameters=len(config.to_json()),
            ),
        )
        for pack in ablation_packs(plan, WINNER)
        for config in pack.configs
    ]
    useful, check = gather(plan.study, plan.confirm_seeds(), WINNER, lanes)
    assert useful.against is None and len(useful.replicates) == plan.replicates
    sides = [[(r.surrogate, r.seed) for r in side] for side in (check.against, check.replicates)]
    planted = [(Surrogate.KEPT, seed) for seed in plan.control_seeds]
    assert sides[0] == sides[1] == [*((Surrogate.REAL, seed) for seed in plan.confirm_seeds()), *planted]
    assert {r.parameters for r in check.replicates} == {len(WINNER.to_json()) + 4}
    assert np.isfinite(check.replicates[0].parameters)


def test_lanes_that_did_not_finish_leave_an_effect_unmeasured():
    record = _evidence(PARTS, {"useful": (0.2, False)})
    record.ablations[0].replicates.clear()
    found = effects(STUDY, record, 0.95)
    assert found[0].effect is None and "not measured" in found[0].sentence
