"""Heads that lead noise to data: exact where their Gaussian is the truth, each by its own path."""

import math

import pytest
import torch
from torch import Tensor
from torch.func import jvp

from trainables.distributions.implicit import energy_of_draws
from trainables.distributions.law import LawNoise
from trainables.predictor.evaluation.proper_scores import energy_score
from trainables.predictor.heads.base import Survey
from trainables.predictor.heads.denoiser import DenoisingHead, evenly_spread, logit_normal
from trainables.predictor.heads.diffusion import DiffusionHead
from trainables.predictor.heads.flow_matching import FlowMatchingHead
from trainables.predictor.heads.mean_flow import MeanFlowHead

WIDTH, DIM, LOG_SPREAD = 16, 3, -0.7
HEADS = [
    (FlowMatchingHead, "uniform", 8),
    (FlowMatchingHead, "logit_normal", 16),
    (DiffusionHead, "logit_normal", 16),
    (MeanFlowHead, "logit_normal", 1),
    (MeanFlowHead, "logit_normal", 2),
]


def normals(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(kind: type[DenoisingHead], noise_law: str, steps: int) -> DenoisingHead:
    """A head whose network adds nothing."""
    torch.manual_seed(0)
    head = kind(WIDTH, DIM, noise_law, steps).double()
    head.start_from(Survey(3.0))
    torch.nn.init.zeros_(head.outer[-1].weight)
    torch.nn.init.zeros_(head.outer[-1].bias)
    torch.nn.init.constant_(head.spread.bias, LOG_SPREAD)
    return head


@torch.no_grad()
@pytest.mark.parametrize(("kind", "noise_law", "steps"), HEADS)
@pytest.mark.parametrize("temperature", [1.0, 0.49])
def test_without_its_network_noise_comes_to_the_gaussians_sample(
    kind: type[DenoisingHead], noise_law: str, steps: int, temperature: float
) -> None:
    """The path of a Gaussian keeps how many deviations a sample is from the mean."""
    head, h = gaussian(kind, noise_law, steps), normals(50, WIDTH, seed=1)
    law, normal = head(h).tempered(temperature), normals(50, DIM + 1, seed=2)
    spread = math.exp(3.0 * math.tanh(LOG_SPREAD / 3.0)) * temperature**0.5
    expected = head.scale * (head.mean(h) + spread * normal[:, :DIM])
    found = law.sample(LawNoise(normal, torch.rand(50, 2)))
    exact = kind is MeanFlowHead
    assert torch.allclose(found, expected, atol=1e-9 if exact else 0.03 * float(head.scale))
    assert torch.allclose(law.mean(), head.scale * head.mean(h), atol=1e-12)


@torch.no_grad()
def test_twice_the_steps_of_diffusion_err_at_most_a_quarter() -> None:
    h, normal = normals(50, WIDTH, seed=1), normals(50, DIM + 1, seed=2)
    errors = []
    for steps in (8, 16, 512):
        law = gaussian(DiffusionHead, "uniform", steps)(h)
        errors.append(law.sample(LawNoise(normal, torch.rand(50, 2))))
    coarse, fine = ((part - errors[2]).abs().mean() for part in errors[:2])
    assert float(coarse / fine) > 3.5


def test_the_mean_velocity_of_a_gaussian_solves_the_identity_of_mean_flows() -> None:
    law = gaussian(MeanFlowHead, "uniform", 1)(normals(20, WIDTH, seed=1))
    x, (time, end) = normals(20, DIM, seed=2), torch.rand(2, 20, 1).double().sort(0).values
    velocity = law.field(x, time, time)
    arguments, directions = (x, time, end), (velocity, torch.ones_like(time), torch.zeros_like(end))
    mean, slope = jvp(law.field, arguments, directions)
    assert torch.allclose(mean, velocity + (end - time) * slope, atol=1e-9)


def test_levels_are_evenly_spread_and_each_is_uniform() -> None:
    uniform = torch.rand(4000, generator=torch.Generator().manual_seed(3)).double()
    levels = evenly_spread(uniform, 4)
    assert torch.equal(levels[0], uniform) and torch.equal(evenly_spread(uniform, 1)[0], uniform)
    gaps = levels.sort(0).values.diff(dim=0)
    assert torch.allclose(gaps, torch.full_like(gaps, 0.25))
    assert levels.mean(1).tolist() == pytest.approx([0.5] * 4, abs=0.02)
    odds = torch.logit(logit_normal(uniform))
    assert (float(odds.mean()), float(odds.std())) == pytest.approx((0.4, 1.0), abs=0.06)


def test_the_score_of_draws_is_that_of_evaluation_and_has_a_gradient_where_draws_agree() -> None:
    draws, truth = normals(3, 40, DIM, seed=4), normals(40, DIM, seed=5)
    assert torch.allclose(energy_of_draws(draws, truth), energy_score(draws, truth), atol=1e-12)
    same = draws[:1].expand(3, -1, -1).clone().requires_grad_()
    energy_of_draws(same, truth).sum().backward()
    assert same.grad is not None and same.grad.isfinite().all()
