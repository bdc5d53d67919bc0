"""How much of a search is left to train, where it goes on."""

from dataclasses import replace

from orchestrator.lifecycle.exploration import packs_ahead
from orchestrator.planning.plan import make_plan
from search_spaces import load

STUDY = load("vmf_vs_mdn")


def test_a_pack_is_ahead_until_all_of_its_lanes_have_a_result() -> None:
    plan = make_plan(replace(STUDY, budget=replace(STUDY.budget, trials=7, lanes=3)))
    assert (plan.trials, plan.lanes, plan.packs) == (7, 3, 3)
    left = [packs_ahead(plan, [{"index": index} for index in range(known)]) for known in range(8)]
    assert left == [3, 3, 3, 2, 2, 2, 1, 0]
    assert packs_ahead(plan, [{"index": 6}, {"index": ~2}]) == 2  # the last pack is short
