"""Every density integrates to one, its samples follow it, and its NLL on known data is the known one."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from trainables.distributions.bessel import vmf_mean_resultant_length
from trainables.distributions.mixture import GaussianMixture
from trainables.distributions.polar import Polar
from trainables.distributions.von_mises_fisher import VonMisesFisher

FALSE_ALARM = 1e-4  # chance that a right sampler fails one test


def polar(dim: int, kappa: float, location: float = 0.2, scale: float = 0.4) -> Polar:
    mu = torch.nn.functional.normalize(torch.arange(1.0, dim + 1, dtype=torch.float64), dim=0)
    numbers = (torch.tensor(x, dtype=torch.float64) for x in (kappa, location, scale))
    kappa_, location_, scale_ = numbers
    return Polar(VonMisesFisher(mu, kappa_), location_, scale_)


def mixture(dim: int) -> GaussianMixture:
    generator = torch.Generator().manual_seed(1)
    return GaussianMixture(
        log_weights=torch.log_softmax(torch.tensor([0.3, -0.5, 0.1], dtype=torch.float64), 0),
        means=torch.randn(3, dim, generator=generator, dtype=torch.float64),
        log_scales=0.3 * torch.randn(3, dim, generator=generator, dtype=torch.float64) - 0.5,
    )


def noise(count: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(count, dim + 1, generator=generator, dtype=torch.float64)
    return normal, torch.rand(count, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "law", [polar(2, 3.0), polar(2, 0.0), mixture(2)], ids=["polar", "uniform", "mixture"]
)
def test_integrates_to_one_in_the_plane(law: Polar | GaussianMixture) -> None:
    angle = torch.arange(0, 2 * math.pi, 2 * math.pi / 512, dtype=torch.float64)
    log_radius = torch.linspace(-8, 3, 2001, dtype=torch.float64)
    angles, radii = torch.meshgrid(angle, log_radius.exp(), indexing="ij")
    points = torch.stack([radii * angles.cos(), radii * angles.sin()], -1)
    total = (law.log_prob(points).exp() * radii**2).sum() * float(angle[1] * (log_radius[1] - log_radius[0]))
    assert float(total) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("law", [polar(3, 5.0), mixture(3)], ids=["polar", "mixture"])
def test_integrates_to_one_in_space(law: Polar | GaussianMixture) -> None:
    axis = torch.linspace(-9, 9, 181, dtype=torch.float64) + 1e-3
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    total = law.log_prob(grid).exp().sum() * float(axis[1] - axis[0]) ** 3
    assert float(total) == pytest.approx(1, abs=0.01)


def test_polar_nll_on_a_gaussian_is_the_known_one() -> None:
    # On N(0, I_512) a uniform direction x LogNormal magnitude nearly is the truth, 726.50 nats; without the
    # Jacobian the same number would be -866.9.
    frames = torch.randn(4000, 512, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_size = frames.norm(dim=-1).log()
    law = Polar(
        VonMisesFisher(torch.eye(512, dtype=torch.float64)[0], torch.tensor(1e-6, dtype=torch.float64)),
        log_size.mean(),
        log_size.std(),
    )
    assert float(-law.log_prob(frames).mean()) == pytest.approx(256 * math.log(2 * math.pi * math.e), abs=0.6)


def test_mixture_agrees_with_scipy() -> None:
    law, points = (
        mixture(4),
        torch.randn(50, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64),
    )
    parts = [
        float(law.log_weights[k].exp())
        * stats.multivariate_normal(law.means[k].numpy(), np.diag((2 * law.log_scales[k]).exp().numpy())).pdf(
            points
        )
        for k in range(3)
    ]
    assert np.allclose(np.log(sum(parts)), law.log_prob(points).numpy(), atol=1e-12)


@pytest.mark.parametrize("dim", [3, 32, 512])
@pytest.mark.parametrize("ratio", [0.01, 1.0, 30.0])
def test_sampled_cosine_follows_the_vmf_marginal(dim: int, ratio: float) -> None:
    kappa = ratio * dim
    law = VonMisesFisher(torch.eye(dim, dtype=torch.float64)[0], torch.tensor(kappa, dtype=torch.float64))
    normal, uniform = noise(4000, dim)
    x = law.sample(normal[:, :-1], uniform[:, 0])
    assert torch.allclose(x.norm(dim=-1), torch.ones(4000, dtype=torch.float64), atol=1e-12)
    angle = np.linspace(0, np.pi, 200_001)
    log_density = kappa * np.cos(angle) + (dim - 2) * np.log(np.maximum(np.sin(angle), 1e-300))
    cumulative = integrate.cumulative_trapezoid(np.exp(log_density - log_density.max()), angle, initial=0)
    seen = np.arccos(np.clip(x[:, 0].numpy(), -1, 1))
    test = stats.kstest(np.interp(seen, angle, cumulative / cumulative[-1]), "uniform")
    assert test.pvalue > FALSE_ALARM
    assert float(x[:, 0].mean()) == pytest.approx(float(law.mean_cosine()), abs=4 / math.sqrt(4000))


@pytest.mark.parametrize("law", [polar(8, 12.0), mixture(8)], ids=["polar", "mixture"])
def test_mean_and_samples_agree(law: Polar | GaussianMixture) -> None:
    draws = law.sample(*noise(40_000, 8))
    error = draws.std(0) / math.sqrt(40_000)
    assert (((draws.mean(0) - law.mean()) / error).abs() < 4.5).all()
    assert float(draws.norm(dim=-1).log().mean()) == pytest.approx(float(law.log_magnitude()), abs=0.06)


def test_mean_feedback_keeps_a_squared_of_the_energy() -> None:
    law = polar(64, 64.0, location=0.0, scale=0.3)
    energy = float(law.mean().norm()) ** 2 / math.exp(2 * 0.3**2)
    assert energy == pytest.approx(float(vmf_mean_resultant_length(64, law.kappa)) ** 2 * math.exp(-(0.3**2)))
    assert float(law.mode().norm()) == pytest.approx(1.0)
