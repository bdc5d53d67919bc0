"""Noise of a law with factors: that of any other law, and more after it."""

import numpy as np
import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.windows import window_noise
from trainables.predictor.lanes.noise import StepNoise, epoch_noise

DIM, RANK = 5, 3
LIKE = torch.zeros(1, DIM, dtype=torch.float64)


def drawn(epoch: int = 2, runs: int = 1, **settings: object) -> list[StepNoise]:
    structure = Structure(head="mdn", context=2, rollout=2, batch=4, steps=10, **settings)
    lanes = [Lane(seed=seed, input_noise=0.1) for seed in (3, 8)]
    return list(
        epoch_noise(structure, lanes, LIKE, epoch, structure.steps, np.arange(4), laws_draw=True, runs=runs)
    )


def with_factors(epoch: int = 2) -> list[StepNoise]:
    return drawn(epoch, covariance="low_rank", rank=RANK)


def only_factors(law_noise: LawNoise) -> Tensor:
    return law_noise.normal[..., DIM + 1 :]


def test_training_draws_factors_after_what_every_law_draws() -> None:
    for plain, more in zip(drawn(), with_factors(), strict=True):
        noise, wider = plain.noise.law_noise, more.noise.law_noise
        assert noise.normal.shape[-1] == DIM + 1 and wider.normal.shape[-1] == DIM + 1 + RANK
        assert torch.equal(wider.normal[..., : DIM + 1], noise.normal)
        assert torch.equal(wider.uniform, noise.uniform)
        assert torch.equal(more.noise.input_BTD, plain.noise.input_BTD)
        assert torch.equal(more.starts_LB, plain.starts_LB)


def test_factors_are_standard_normal_and_of_their_own_lane_epoch_and_step() -> None:
    steps = [only_factors(step.noise.law_noise) for step in with_factors() + with_factors(epoch=3)]
    every = torch.stack(steps).flatten(2).flatten(0, 1)  # steps of both lanes and epochs
    count = every.numel()
    assert abs(float(every.mean())) < 4 / count**0.5
    assert abs(float(every.var()) - 1) < 4 * (2 / count) ** 0.5
    likeness = torch.corrcoef(every) - torch.eye(len(every))
    assert float(likeness.abs().max()) < 5 / every.shape[1] ** 0.5
    whole = with_factors()[0].noise.law_noise.normal.flatten(0, 2)
    across = torch.corrcoef(whole.mT)[: DIM + 1, DIM + 1 :]
    assert float(across.abs().max()) < 5 / len(whole) ** 0.5


def test_further_runs_are_drawn_after_what_one_run_draws_and_are_their_own() -> None:
    for one, more in zip(drawn(), drawn(runs=3), strict=True):
        first, every = one.noise.law_noise, more.noise.law_noise
        assert every.normal.shape[-1] == 3 * (DIM + 1) and every.uniform.shape[-1] == 6
        assert torch.equal(every.normal[..., : DIM + 1], first.normal)
        assert torch.equal(every.uniform[..., :2], first.uniform)
    whole = drawn(runs=3)[0].noise.law_noise.normal.flatten(0, 2)
    likeness = torch.corrcoef(whole.mT) - torch.eye(3 * (DIM + 1))
    assert float(likeness.abs().max()) < 5 / len(whole) ** 0.5


def test_evaluation_draws_them_after_the_rest_of_a_window() -> None:
    names = ["a/0", "b/7"]
    plain, more = (window_noise(names, (4, 6), LIKE, factors) for factors in (0, RANK))
    assert torch.equal(more.normal[..., : DIM + 1], plain.normal) and torch.equal(more.uniform, plain.uniform)
    assert only_factors(more).shape == (4, 2, 6, RANK)
    assert torch.equal(window_noise(names[1:], (4, 6), LIKE, RANK).normal, more.normal[:, 1:])
