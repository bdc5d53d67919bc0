"""Arms in order: what differs is told apart, what is equal hardly ever, whatever order they are given in."""

import itertools
import json
import math

import pytest

from orchestrator.judging.measures import Measures
from orchestrator.judging.ranking import ranking
from tests.orchestrator.synthetic_evidence import Truth, evidence

METRIC = "cos@16"


def among(**cosines: float) -> Measures:
    truths = {name: Truth(cos=(0.8, cosine)) for name, cosine in cosines.items()}
    return Measures(evidence(truths, seed=3))


def test_the_greatest_is_first_and_arms_that_are_alike_are_named() -> None:
    measures = among(worst=0.1, good=0.601, twin=0.6, middle=0.4)
    found = ranking(measures, ["worst", "good", "twin", "middle"], METRIC)
    assert {each.arm for each in found[:2]} == {"good", "twin"}
    assert [each.arm for each in found[2:]] == ["middle", "worst"]
    assert [each.undecided for each in found] == [(found[1].arm,), (found[0].arm,), (), ()]
    assert found[0].behind is None
    assert [each.behind.estimate for each in found[2:]] == pytest.approx([0.2, 0.5], abs=0.05)


def test_the_order_does_not_depend_on_the_order_of_the_arms() -> None:
    measures = among(a=0.5, b=0.4, c=0.41)
    orders = [ranking(measures, arms, METRIC) for arms in itertools.permutations("abc")]
    assert all(order == orders[0] for order in orders)


def test_among_equals_a_difference_is_hardly_ever_called_decided() -> None:
    wrong = 0
    for seed in range(40):
        equals = evidence({name: Truth() for name in "abcde"}, seed=seed)
        wrong += any(len(each.undecided) < 4 for each in ranking(Measures(equals), "abcde", METRIC))
    assert wrong <= 6  # of 40 at a chance of at most 1 in 20: more than 6 come once in 300 times


def test_two_arms_have_no_order_and_what_nobody_measured_has_no_place() -> None:
    measures = among(a=0.5, b=0.4, c=0.3)
    assert ranking(measures, ["a", "b"], METRIC) == []
    assert ranking(measures, ["a", "b", "d"], METRIC) == []
    assert ranking(measures, ["a", "b", "c"], "skill_gained") == []
    assert [each.arm for each in ranking(measures, ["a", "d", "b", "c"], METRIC)] == ["a", "b", "c"]


def test_an_interval_without_ends_is_told_to_programs_as_one() -> None:
    truths = {"a": Truth(cos=(0.8, 0.6)), "b": Truth(cos=(0.8, 0.4)), "c": Truth(cos=(0.8, 0.2))}
    lonely = evidence(truths, replicates=1, speakers=1)
    found = ranking(Measures(lonely), "abc", METRIC)
    assert not math.isfinite(found[0].value.high)
    told = json.loads(json.dumps([each.to_json() for each in found], allow_nan=False))
    assert [(each["arm"], each["value"]["high"], each["undecided"]) for each in told] == [
        ("a", None, ["b", "c"]),
        ("b", None, ["a", "c"]),
        ("c", None, ["a", "b"]),
    ]
