"""The roadmap says what Research Discussion 7 says, and does not contradict itself."""

import dataclasses
import itertools

import pytest

import search_spaces
from search_spaces.roadmap import GO, NO_GO, OPEN, ROADMAP, VERDICTS, Condition, Consequence, Roadmap, Step
from search_spaces.study import Claim, Role, StudyError

# Studies on whose answer nothing in the document depends.
ASIDE = {"assay", "heads", "rollout_loss", "stabilisers"} | {
    f"assay_{name}"
    for name in ("archetypes", "components", "linear_readout", "manifold", "score_correction", "two_stage")
}


def test_every_study_is_on_the_map_once_and_can_run():
    steps = [step.study for step in ROADMAP.steps]
    assert len(steps) == len(set(steps)) and set(steps) == set(search_spaces.names()) - ASIDE
    assert [name for name in search_spaces.names() if search_spaces.load(name).missing] == []


PRIORS = {  # section 10
    "vmf_vs_mdn": 0.60,
    "archetypes": 0.50,
    "memory_as_basis": 0.25,
    "score_correction": 0.30,
    "representations": 0.65,
    "linear_readout": 0.45,
}


@pytest.mark.parametrize("name", [step.study for step in ROADMAP.steps])
def test_priors_are_the_documents_or_say_that_they_are_ours(name):
    prior = search_spaces.load(name).prior
    if name in PRIORS:
        assert prior.probability == PRIORS[name] and "section 10" in prior.source
    else:
        assert prior.probability == 0.5 and prior.source.startswith("ours")


@pytest.mark.parametrize(
    ("name", "metric", "success", "failure"),
    [
        ("vmf_vs_mdn", "cos@16", 0.6, 0.3),
        ("archetypes", "mean_cluster_cosine", 0.75, 0.6),
        ("archetypes", "cross_speaker_accuracy", 0.6, 0.6),
        ("representations", "predictive_bits_per_second_gaussian", 2.0, 1.25),
    ],
)
def test_thresholds_are_those_of_section_6_3(name, metric, success, failure):
    found = [
        c for c in search_spaces.load(name).criteria if c.metric == metric and c.role is not Role.REPORTED
    ]
    assert [(c.success, c.failure) for c in found] == [(success, failure)]
    assert "section 6.3" in found[0].source


def test_archetypes_try_every_number_of_clusters_and_the_readout_need_only_be_comparable():
    (arm,) = search_spaces.load("archetypes").arms
    assert arm.space["clusters"].options == (32, 64, 128, 256, 512)
    readout = search_spaces.load("linear_readout").primary
    assert (readout.claim, readout.arm, readout.versus) == (Claim.NOT_WORSE, "linear", "nonlinear")
    assert readout.margin > 0


@pytest.mark.parametrize(
    ("name", "tier", "gate"),
    [
        ("vmf_vs_mdn", 1, {()}),
        ("representations", 1, {(), ("vmf_vs_mdn NO-GO",)}),
        ("perception", 1, {()}),
        ("archetypes", 2, {("vmf_vs_mdn GO",)}),
        ("memory_as_basis", 2, {("archetypes GO",)}),
        ("linear_readout", 2, {("vmf_vs_mdn GO",), ("representations GO",)}),
        ("components", 2, {("vmf_vs_mdn GO",), ("representations GO",)}),
        ("manifold", 3, {("vmf_vs_mdn GO",)}),
        ("score_correction", 3, {("vmf_vs_mdn NO-GO",), ("vmf_vs_mdn GO", "manifold GO")}),
        ("two_stage_oracle", 3, {("vmf_vs_mdn GO",)}),
        ("two_stage", 3, {("two_stage_oracle GO",)}),  # which the document presupposes
    ],
)
def test_tiers_and_gates_are_those_of_section_6_2(name, tier, gate):
    step = ROADMAP.step(name)
    assert step.tier == tier
    assert {tuple(map(str, alternative)) for alternative in step.gate} == gate


def test_only_yes_and_no_open_anything():
    for step, verdict in itertools.product(ROADMAP.steps, VERDICTS):
        consequence = step.consequences[verdict]
        assert consequence.text
        if verdict not in (GO, NO_GO):
            assert not consequence.opens and not consequence.settles
    assert [s.study for s in ROADMAP.steps if any(c.switches for c in s.consequences.values())] == [
        "representations"
    ]


def _step(study, gate=OPEN, **more):
    return Step(study, 1, Consequence("yes", **more), Consequence("no"), "nowhere", gate)


def test_a_roadmap_that_contradicts_itself_is_refused():
    after = ((Condition("a", GO),),)
    sound = Roadmap("t", "s", {1: "first"}, (_step("a", opens=("b",)), _step("b", after)))
    assert sound.waiting_for(Condition("a", GO)) == ("b",)
    for steps, said in (
        ((_step("a"), _step("b", after)), "a GO says it opens nothing; gates say b"),
        ((_step("b", after), _step("a", opens=("b",))), "waits for a GO, which never comes"),
        ((_step("a"), _step("a")), "'a' comes twice"),
        ((dataclasses.replace(_step("a"), tier=2),), "its tier 2 is unknown"),
        ((_step("a"), _step("b", ((Condition("a", "INCONCLUSIVE"),),))), "which never comes"),
    ):
        with pytest.raises(StudyError, match=said):
            dataclasses.replace(sound, steps=steps)
