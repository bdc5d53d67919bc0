"""What becomes evidence of the lines of a journal and the results that they name."""

import math

import numpy as np
import pytest

from orchestrator.records.ablation_evidence import ablated_lanes
from orchestrator.records.arm_evidence import arm_evidence, explorations, lane_outcome
from trainables.lane_config import LaneConfig
from trainables.predictor.scores import LaneStatus, Scores

METRIC = "one_step_cosine"


def result(value=0.5, status="finished"):
    scores = Scores(["a"], 50.0, 1, {METRIC: np.array([value])}, {METRIC: np.array([1.0])})
    return {"status": status, "scores": scores.to_json(), "history": [{"epoch": 0}], "parameters": 7}


def event(phase, index, *, arm="vmf", seed=1, surrogate="real", status="finished", key=None):
    config = {"head": "vmf", "seed": seed, "surrogate": surrogate}
    line = {"phase": phase, "arm": arm, "index": index, "key": key or f"{phase}{index}", "config": config}
    return {**line, "status": status, "objective": 0.5, "seconds": 1.0, "reused": False}


@pytest.mark.parametrize(
    ("lane", "status", "objective"),
    [
        (result(), LaneStatus.FINISHED, 0.5),
        (result(status="stopped"), LaneStatus.STOPPED, 0.5),
        (result(status="diverged"), LaneStatus.DIVERGED, None),
        (result(math.nan), LaneStatus.DIVERGED, None),
        ({**result(), "scores": None}, LaneStatus.DIVERGED, None),
    ],
)
def test_a_lane_without_a_finite_objective_has_diverged(lane, status, objective):
    assert lane_outcome(lane, METRIC) == (status, objective)


def test_a_planted_lane_that_was_not_measured_by_the_objective_has_not_diverged():
    assert lane_outcome(result(), "energy_skill@1-8", planted=True) == (LaneStatus.FINISHED, None)
    with pytest.raises(KeyError):
        lane_outcome(result(), "energy_skill@1-8")


def test_an_arm_has_its_lanes_on_the_given_seeds_and_all_of_its_nulls_in_order():
    events = [
        event("confirm", 2, seed=5),
        event("confirm", 1, seed=3),
        event("confirm", 3, seed=9),  # of a later look
        event("confirm", 0, seed=9, surrogate="white"),
        event("confirm", 9, seed=3, surrogate="planted_lost"),
        event("confirm", 1, seed=3, arm="mdn"),
        event("explore", 1),
        event("explore", 0),
        event("ablate", 0),
        event("confirm", 2, seed=5, key="again"),  # the last line of a place counts
        event("confirm", 4, seed=7, status="diverged"),
        event("confirm", 5, seed=8, key="lost"),
    ]
    stored = {e["key"]: result() for e in events if e["key"] != "lost"}
    arm = arm_evidence("vmf", LaneConfig.of({"head": "vmf", "width": 8}), [3, 5, 7, 8], events, stored.get)
    assert [(r.seed, r.key) for r in arm.replicates] == [
        (3, "confirm1"),
        (5, "again"),
        (7, "confirm4"),
        (8, "lost"),
    ]
    assert [r.scores is None for r in arm.replicates] == [False, False, True, True]
    assert [(r.surrogate, r.seed) for r in arm.nulls] == [("white", 9)]
    assert [(r.surrogate, r.seed) for r in arm.plants] == [("planted_lost", 3)]
    assert [e.index for e in arm.explored] == [e.index for e in explorations(events, "vmf")] == [0, 1]
    assert [(c.lane.seed, r.parameters) for c, r in ablated_lanes(events, "vmf", stored.get)] == [(1, 7)]
