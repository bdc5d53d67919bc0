"""Which structures packs try: each once before any is tried again, evenly where packs are too few."""

from collections import Counter

import pytest

import search_spaces
from orchestrator.planning.plan import make_plan
from orchestrator.planning.structures import coverage, structures
from search_spaces.domains import Choice, Integer, Uniform
from search_spaces.study import bound

SPACE = {
    "components": Choice((1, 2, 4, 8)),
    "depth": Integer(1, 3),
    "feedback": Choice(("mean", "mode")),
    "learning_rate": Uniform(1e-3, 1e-1, log=True),  # of a lane: no structure
}
EACH = {**SPACE, "backbone": Choice(("gru", "mlp", "transformer"), each=True)}


def distinct(tried):
    return {tuple(sorted(structure.items())) for structure in tried}


def test_with_enough_packs_each_structure_is_tried_once():
    tried = structures(SPACE, 30, seed=3)
    assert len(tried) == len(distinct(tried)) == 4 * 3 * 2
    assert all(set(structure) == {"components", "depth", "feedback"} for structure in tried)


@pytest.mark.parametrize("seed", range(5))
def test_with_too_few_packs_no_structure_is_tried_twice_and_every_option_is_tried(seed):
    tried = structures(SPACE, 4, seed)
    assert len(distinct(tried)) == 4
    assert Counter(structure["components"] for structure in tried) == {1: 1, 2: 1, 4: 1, 8: 1}
    assert Counter(structure["feedback"] for structure in tried) == {"mean": 2, "mode": 2}


def test_the_draw_follows_from_its_seed():
    assert structures(SPACE, 8, 1) == structures(SPACE, 8, 1)
    assert structures(SPACE, 8, 1)[:4] == structures(SPACE, 4, 1), "a longer search begins as a shorter one"
    assert len({str(structures(SPACE, 4, seed)) for seed in range(8)}) > 4


def test_what_has_to_be_tried_is_tried_first_in_a_space_of_any_size():
    vast = {**EACH, **{name: Choice(tuple(range(20))) for name in ("width", "context", "batch", "steps")}}
    for space in (EACH, vast):
        tried = structures(space, 7, 0)
        assert len(distinct(tried)) == 7
        assert {structure["backbone"] for structure in tried[:3]} == {"gru", "mlp", "transformer"}


def test_a_space_without_structural_settings_has_one_structure():
    assert structures({"learning_rate": SPACE["learning_rate"]}, 3, 0) == [{}]
    assert coverage({}, 8, 4).text == "all configurations have one structure"


def test_the_coverage_names_the_trials_that_would_do():
    few = coverage(SPACE, trials=10, lanes=4)
    assert (few.tried, few.structures, few.trials) == (3, 24, 96)
    assert few.text == "3 of 24 structures are tried; --trials 96 would try each"
    assert coverage(SPACE, few.trials, 4).text == "each of 24 structures is tried"


@pytest.mark.parametrize("name", search_spaces.names())
def test_the_budget_of_every_study_tries_each_of_its_structures(name):
    study = search_spaces.load(name)
    if study.missing:
        return  # its settings are not known yet
    for others in (["a", "b", "c"], ["a", "b"]) if study.compares else (["a"],):
        plan = make_plan(bound(study, others), frame_rates=dict.fromkeys(("", "a", "b", "c"), 50.0))
        for arm in plan.study.arms:
            assert plan.coverage(arm).tried == plan.coverage(arm).structures
            assert plan.settled(arm) or 2 * plan.random_trials <= plan.trials, "TPE has trials left"
