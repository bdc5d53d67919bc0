"""Scores by samples agree with closed forms, favour the truth, and do not depend on the number of
samples.
"""

import math

import pytest
import torch

from trainables.predictor.evaluation.proper_scores import crps, energy_score

SCORES = [energy_score, crps]


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_crps_of_a_gaussian_has_its_closed_form() -> None:
    truth, scale = torch.tensor([[-1.0], [0.0], [0.5], [3.0]]).double(), 1.5
    z = truth[:, 0] / scale
    density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    exact = scale * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
    samples = scale * normal(100_000, 1, 1, seed=0).expand(-1, 4, 1)
    assert torch.allclose(crps(samples, truth), exact, atol=0.01)


def test_energy_score_of_a_perfect_gaussian_forecast_is_half_the_mean_distance() -> None:
    dim, cases = 5, 4000
    # |Z - z| of independent draws is sqrt(2) times a chi variable.
    mean_distance = 2 * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
    score = energy_score(normal(40, cases, dim, seed=1), normal(cases, dim, seed=2)).mean()
    assert score.item() == pytest.approx(mean_distance / 2, rel=0.02)


def test_energy_score_of_a_point_forecast_is_its_error() -> None:
    truth = normal(3, 4, seed=3)
    assert torch.allclose(energy_score(torch.zeros(6, 3, 4).double(), truth), truth.norm(dim=-1))


@pytest.mark.parametrize("score", SCORES)
def test_in_one_dimension_both_are_the_same(score) -> None:
    samples, truth = normal(7, 5, 1, seed=4), normal(5, 1, seed=5)
    pairs = (samples[:, None] - samples[None]).abs().sum((0, 1)) / (7 * 6)
    assert torch.allclose(score(samples, truth), ((samples - truth).abs().mean(0) - pairs / 2)[:, 0])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("worse", [lambda z: z + 0.3, lambda z: 0.6 * z, lambda z: 1.6 * z])
def test_the_truth_scores_best(score, worse) -> None:
    samples, truth = normal(16, 4000, 3, seed=6), normal(4000, 3, seed=7)
    loss = score(worse(samples), truth) - score(samples, truth)
    assert loss.mean() > 3 * loss.std() / math.sqrt(len(loss))


@pytest.mark.parametrize("score", SCORES)
def test_the_mean_does_not_depend_on_the_number_of_samples(score) -> None:
    samples, truth = normal(16, 20_000, 3, seed=8), normal(20_000, 3, seed=9)
    difference = score(samples[:2], truth) - score(samples, truth)
    assert difference.mean().abs() < 4 * difference.std() / math.sqrt(len(difference))


@pytest.mark.parametrize("score", SCORES)
def test_one_sample_is_refused(score) -> None:
    with pytest.raises(ValueError, match="^a spread needs at least 2 samples; there are 1$"):
        score(torch.zeros(1, 2, 3), torch.zeros(2, 3))
