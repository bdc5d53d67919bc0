"""Samples follow the exact law, a wrong law is rejected, and gradients through samples are unbiased."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.func import grad, vmap

from trainables.distributions.angle_quantile import angle_quantile
from trainables.distributions.bessel import (
    vmf_log_growth,
    vmf_mean_resultant_complement,
    vmf_mean_resultant_slope,
)
from trainables.distributions.von_mises_fisher import VonMisesFisher

COUNT = 100_000
FALSE_ALARM = 1e-4  # chance that a right sampler fails one test


def number(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def axis(dim: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.eye(dim, dtype=dtype)[0]


def uniforms(count: int = COUNT) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def angles(dim: int, kappa: float) -> torch.Tensor:
    return torch.cat([angle_quantile(dim, number(kappa), block) for block in uniforms().split(4096)])


def exact_cumulative(dim: int, kappa: float, angle: np.ndarray) -> np.ndarray:
    """P(angle <= angle), by the trapezoidal rule on a grid of the chord: not the sampler's coordinates."""
    top = min(2.0, 8 * np.sqrt((dim + 40) / max(kappa, 1e-300)))
    theta = 2 * np.arcsin(np.linspace(0, top, 100_001) / 2)
    log_density = (dim - 2) * np.log(np.maximum(np.sin(theta), 1e-300)) - 2 * kappa * np.sin(theta / 2) ** 2
    cumulative = integrate.cumulative_trapezoid(np.exp(log_density - log_density.max()), theta, initial=0)
    return np.interp(angle, theta, cumulative / cumulative[-1])


def verdict(angle: torch.Tensor, dim: int, kappa: float) -> bool:
    """Whether samples of the angle pass for those of vMF(kappa), by distribution and by mean."""
    values = angle.numpy()
    fits = stats.kstest(exact_cumulative(dim, kappa, values), "uniform", method="asymp").pvalue > FALSE_ALARM
    versine = 2 * np.sin(values / 2) ** 2
    expected = float(vmf_mean_resultant_complement(dim, number(kappa)))
    deviation = float(vmf_mean_resultant_slope(dim, number(kappa))) ** 0.5 / len(values) ** 0.5
    return bool(fits and abs(versine.mean() - expected) < 4 * deviation)


@pytest.mark.parametrize("dim", [3, 32, 512])
@pytest.mark.parametrize("kappa", [1e-2, 30.0, 700.0, 1e6])
def test_angle_follows_the_law(dim: int, kappa: float) -> None:
    assert verdict(angles(dim, kappa), dim, kappa)


@pytest.mark.parametrize(("dim", "kappa"), [(3, 30.0), (32, 30.0), (512, 700.0)])
def test_a_wrong_law_is_rejected(dim: int, kappa: float) -> None:
    exact = angles(dim, kappa)
    cosine = exact.cos()
    gaussian = cosine.mean() + cosine.std() * torch.special.ndtri(uniforms())
    assert verdict(exact, dim, kappa)
    assert not verdict(angles(dim, 1.03 * kappa), dim, kappa)
    assert not verdict(angles(dim + 1, kappa), dim, kappa)
    # a Gaussian with the right mean and variance is the right limit, not told apart at d = 512
    assert not verdict(gaussian.clamp(-1, 1).acos(), dim, kappa) or dim == 512


LEVELS = torch.tensor([1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6], dtype=torch.float64)


@pytest.mark.parametrize("dim", [2, 3, 4, 5, 8, 64, 512, 4096])
def test_quantile_of_the_uniform_law_is_that_of_a_beta(dim: int) -> None:
    cosine = angle_quantile(dim, number(0.0), LEVELS).cos().numpy()
    seen = stats.beta.cdf((1 + cosine) / 2, (dim - 1) / 2, (dim - 1) / 2)
    assert seen == pytest.approx(LEVELS.numpy(), abs=1e-9)


@pytest.mark.parametrize("kappa", [0.5, 10.0, 700.0, 1e6, 1e12])
def test_quantile_in_space_is_the_closed_form(kappa: float) -> None:
    versine = 2 * (angle_quantile(3, number(kappa), LEVELS) / 2).sin().square()
    edge = np.exp(-2 * kappa)
    seen = (np.exp(-kappa * versine.numpy()) - edge) / (1 - edge)
    assert seen == pytest.approx(LEVELS.numpy(), abs=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 32, 512])
@pytest.mark.parametrize("kappa", [0.3, 20.0, 700.0, 1e5])
def test_gradient_of_the_quantile_is_its_finite_difference(dim: int, kappa: float) -> None:
    levels = torch.tensor([1e-3, 0.1, 0.5, 0.9, 1 - 1e-3], dtype=torch.float64)
    step = 1e-4 * kappa
    slope = vmap(grad(lambda k, u: angle_quantile(dim, k, u)), (None, 0))(number(kappa), levels)
    difference = angle_quantile(dim, number(kappa + step), levels) - angle_quantile(
        dim, number(kappa - step), levels
    )
    assert (slope * 2 * step).tolist() == pytest.approx(difference.tolist(), rel=1e-5)


@pytest.mark.parametrize("dim", [2, 3, 32, 512])
@pytest.mark.parametrize("kappa", [0.3, 700.0, 1e6])
def test_gradient_through_samples_is_unbiased(dim: int, kappa: float) -> None:
    # evenly spread noise instead of random: d/dkappa E[1 - t] = -A'
    levels = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    k = number(kappa).requires_grad_()
    versine = 2 * (angle_quantile(dim, k, levels) / 2).sin().square()
    (slope,) = torch.autograd.grad(versine.mean(), k)
    assert float(slope) == pytest.approx(-float(vmf_mean_resultant_slope(dim, number(kappa))), rel=1e-3)


@pytest.mark.parametrize(("dim", "kappa"), [(3, 1e6), (64, 1e6), (512, 1e6), (512, 700.0)])
def test_float32_samples_keep_their_distance(dim: int, kappa: float) -> None:
    generator = torch.Generator().manual_seed(1)
    mu = torch.nn.functional.normalize(torch.randn(dim, generator=generator), dim=0)
    normal = torch.randn(4000, dim, generator=generator)
    uniform = torch.rand(4000, generator=generator).clamp(1e-6, 1 - 1e-6)
    law = VonMisesFisher(mu, torch.tensor(kappa))
    x = law.sample(normal, uniform)
    chord = 2 * (angle_quantile(dim, number(kappa), uniform) / 2).sin()
    assert x.dtype == torch.float32
    assert ((x - mu).double().norm(dim=-1) / chord - 1).abs().mean() < 2e-4
    assert (x.norm(dim=-1) - 1).abs().max() < 1e-6
    wide = VonMisesFisher(mu.double(), number(kappa)).log_prob(x.double())
    assert (law.log_prob(x) - wide).abs().max() < 2e-3


def test_samples_point_every_way_across_the_mean() -> None:
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(COUNT, 4, generator=generator, dtype=torch.float64)
    law = VonMisesFisher(torch.full((4,), 0.5, dtype=torch.float64), number(3.0))
    x = law.sample(normal, uniforms())
    error = x.std(0) / COUNT**0.5
    assert (((x.mean(0) - law.mean()) / error).abs() < 4.5).all()


def test_log_prob_is_the_same_under_autocast() -> None:
    generator = torch.Generator().manual_seed(4)
    x, mu = torch.nn.functional.normalize(torch.randn(2, 50, 512, generator=generator), dim=-1)
    law = VonMisesFisher(mu, torch.full((50,), 3e4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = law.log_prob(x)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, law.log_prob(x))


def test_lanes_and_gradients() -> None:
    generator = torch.Generator().manual_seed(6)
    mu = torch.nn.functional.normalize(torch.randn(3, 5, 8, generator=generator, dtype=torch.float64), dim=-1)
    normal = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64)
    kappa, uniform = 10 * torch.rand(2, 3, 5, generator=generator, dtype=torch.float64)

    def total(mu, kappa, normal, uniform):
        return VonMisesFisher(mu, kappa).sample(normal, uniform / 10).square().cumsum(-1).sum()

    stacked = vmap(grad(total, (0, 1)))(mu, kappa, normal, uniform)
    alone = grad(total, (0, 1))(mu, kappa, normal, uniform)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(stacked, alone, strict=True))
    assert all(bool((a != 0).all()) for a in alone)


def test_entropy_and_divergence_are_those_of_the_density() -> None:
    generator = torch.Generator().manual_seed(7)
    first = VonMisesFisher(axis(16), number(20.0))
    second = VonMisesFisher(torch.full((16,), 0.25, dtype=torch.float64), number(9.0))
    x = first.sample(torch.randn(COUNT, 16, generator=generator, dtype=torch.float64), uniforms())
    surprise, gained = -first.log_prob(x), first.log_prob(x) - second.log_prob(x)
    for values, truth in ((surprise, first.entropy()), (gained, first.kl(second))):
        assert abs(float(values.mean() - truth)) < 4 * float(values.std()) / COUNT**0.5


def test_density_integrates_to_one() -> None:
    angle = torch.linspace(0, torch.pi, 2001, dtype=torch.float64)
    x = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
    density = VonMisesFisher(axis(3), number(5.0)).log_prob(x).exp() * 2 * torch.pi * angle.sin()
    assert float(torch.trapezoid(density, angle)) == pytest.approx(1, abs=1e-5)
    assert float(vmf_log_growth(3, number(0.0))) == 0
