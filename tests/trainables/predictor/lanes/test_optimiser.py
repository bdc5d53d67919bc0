"""Steps that are not finite: skipped, counted, and nobody else's business."""

import math

import torch
from torch import nn

from trainables.predictor.lanes.optimiser import LaneAdamW


def optimiser() -> LaneAdamW:
    start = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    return LaneAdamW([nn.Parameter(start)], torch.full((2,), 0.1), torch.full((2,), 0.01))


def step(learner: LaneAdamW, number: int, bad: bool) -> None:
    gradient = torch.randn(2, 3, generator=torch.Generator().manual_seed(number))
    if bad:
        gradient[1, 2] = math.nan
    learner.parameters[0].grad = gradient
    learner.step(1.0)


def test_a_step_that_is_not_finite_is_skipped_counted_and_touches_no_other_lane() -> None:
    learner, undisturbed = optimiser(), optimiser()
    for number in range(10):
        before = [learner.parameters[0][1].clone(), learner.first[0][1].clone(), learner.second[0][1].clone()]
        step(learner, number, bad=number in (3, 4))
        step(undisturbed, number, bad=False)
        after = [learner.parameters[0][1], learner.first[0][1], learner.second[0][1]]
        assert all(map(torch.equal, before, after)) is (number in (3, 4))
    assert torch.equal(learner.parameters[0][0], undisturbed.parameters[0][0])
    assert not torch.equal(learner.parameters[0][1], undisturbed.parameters[0][1])
    assert learner.skipped_L.tolist() == [0, 2] and learner.alive_L.tolist() == [True, True]
    assert learner.parameters[0].isfinite().all()


def test_a_lane_that_skips_too_many_steps_in_a_row_stops_for_good() -> None:
    learner = optimiser()
    for number in range(learner.patience):
        step(learner, number, bad=True)
    stopped = learner.parameters[0][1].clone()
    step(learner, 100, bad=False)
    assert learner.alive_L.tolist() == [True, False] and torch.equal(learner.parameters[0][1], stopped)
    again = optimiser()
    again.load(learner.state())
    assert again.alive_L.tolist() == [True, False]
