"""Every density integrates to one, its moments and samples are its own, and no NLL beats the truth."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from trainables.distributions.bessel import vmf_mean_resultant_length
from trainables.distributions.coupled import KappaOnMagnitude, MagnitudeOnDirection
from trainables.distributions.law import Law, LawNoise
from trainables.distributions.mixture import DirectionMixture, GaussianMixture, PolarMixture
from trainables.distributions.polar import Polar
from trainables.distributions.power_spherical import PowerSpherical
from trainables.distributions.von_mises_fisher import VonMisesFisher

FALSE_ALARM = 1e-4  # chance that a right sampler fails one test
Z = stats.norm.isf(FALSE_ALARM / 2)  # of one mean; of many at once, by Bonferroni below


def number(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def normals(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(count: int, dim: int) -> LawNoise:
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(count, dim + 1, generator=generator, dtype=torch.float64)
    return LawNoise(normal, torch.rand(count, 2, generator=generator, dtype=torch.float64))


def units(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(normals(*shape), dim=-1)


def polar(dim: int, kappa: float, location: float = 0.2, scale: float = 0.4) -> Polar:
    mu = torch.nn.functional.normalize(torch.arange(1.0, dim + 1, dtype=torch.float64), dim=0)
    return Polar(VonMisesFisher(mu, number(kappa)), number(location), number(scale))


def weights(count: int) -> torch.Tensor:
    return torch.log_softmax(normals(count), 0)


def mixture(dim: int, isotropic: bool = False) -> GaussianMixture:
    log_scales = 0.3 * normals(3, 1 if isotropic else dim, seed=3) - 0.5
    return GaussianMixture(weights(3), normals(3, dim), log_scales)


def directions(dim: int, *kappas: float) -> PolarMixture:
    kappa = torch.tensor(kappas, dtype=torch.float64)
    return PolarMixture(DirectionMixture(weights(3), units(3, dim), kappa), number(0.2), number(0.4))


LAWS: dict[str, Callable[[int], Law]] = {
    "vmf": lambda dim: polar(dim, 4.0),
    "uniform": lambda dim: polar(dim, 0.0),
    "power_spherical": lambda dim: replace(
        polar(dim, 0.0), direction_law=PowerSpherical(units(dim), number(4.0))
    ),
    "kappa_on_magnitude": lambda dim: KappaOnMagnitude(**vars(polar(dim, 4.0)), slope=number(1.2)),
    "magnitude_on_direction": lambda dim: MagnitudeOnDirection(**vars(polar(dim, 2.0)), lean=units(dim)),
    "directions": lambda dim: directions(dim, 1.0, 6.0, 3.0),
    "directions_of_one_kappa": lambda dim: directions(dim, 5.0),
    "directions_tempered": lambda dim: directions(dim, 1.0, 6.0, 3.0).tempered(0.6),
    "gaussians": mixture,
    "gaussians_isotropic": lambda dim: mixture(dim, isotropic=True),
    "gaussians_tempered": lambda dim: mixture(dim).tempered(1.7),
}


@pytest.fixture(params=LAWS)
def build(request: pytest.FixtureRequest) -> Callable[[int], Law]:
    return LAWS[request.param]


def quadrature(dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of the plane or of space and their share of it: rays that cover the sphere, log-spaced radii."""
    angle = torch.arange(48, dtype=torch.float64) * (2 * math.pi / 48)
    height, band = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(24 if dim == 3 else 1))
    height, angle = (x.flatten() for x in torch.meshgrid(height, angle, indexing="ij"))
    ring = (1 - height.square()).sqrt()
    rays = torch.stack([ring * angle.cos(), ring * angle.sin(), height][:dim], -1)
    area = band.repeat_interleave(48) * (2 * math.pi / 48) / (1 if dim == 3 else 2)
    log_radius = torch.linspace(-6, 3.5, 300, dtype=torch.float64)
    volume = torch.exp(dim * log_radius) * float(log_radius[1] - log_radius[0])
    points = torch.exp(log_radius)[:, None, None] * rays
    return points.flatten(0, 1), (volume[:, None] * area).flatten()


def features(delta: torch.Tensor) -> torch.Tensor:
    """Functions of a step whose means say where a density lies, how wide it is and what depends on what."""
    log_magnitude = delta.norm(dim=-1, keepdim=True).log()
    direction = torch.nn.functional.normalize(delta, dim=-1)
    products = (direction.unsqueeze(-1) * direction.unsqueeze(-2)).flatten(-2)
    return torch.cat([log_magnitude, log_magnitude.square(), delta, direction * log_magnitude, products], -1)


@pytest.mark.parametrize("dim", [2, 3])
def test_integrates_to_one_with_the_moments_it_names(build: Callable[[int], Law], dim: int) -> None:
    law, (points, volumes) = build(dim), quadrature(dim)
    mass = law.log_prob(points).exp() * volumes
    assert float(mass.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(mass @ points, law.mean(), atol=1e-4)
    if not isinstance(law, GaussianMixture):  # which has no closed form for these
        assert float(mass @ points.norm(dim=-1).log()) == pytest.approx(float(law.log_magnitude()), abs=1e-4)
        pointing = torch.nn.functional.normalize(mass @ torch.nn.functional.normalize(points, dim=-1), dim=0)
        assert mass.sum() == 0 or law.kappa.max() == 0 or torch.allclose(pointing, law.direction(), atol=1e-4)


@pytest.mark.parametrize("dim", [2, 3])
def test_samples_follow_the_density(build: Callable[[int], Law], dim: int) -> None:
    law, (points, volumes) = build(dim), quadrature(dim)
    expected = (law.log_prob(points).exp() * volumes) @ features(points)
    seen = features(law.sample(noise(10_000, dim)))
    z = (seen.mean(0) - expected).abs() / (seen.std(0) / 100 + 1e-4)
    assert float(z.max()) < stats.norm.isf(FALSE_ALARM / (2 * len(expected)))


@pytest.mark.parametrize("dim", [8, 64])
def test_mean_magnitude_and_samples_agree(build: Callable[[int], Law], dim: int) -> None:
    law = build(dim)
    draws = law.sample(noise(10_000, dim))
    error = draws.std(0) / math.sqrt(10_000)
    assert float(((draws.mean(0) - law.mean()) / error).abs().max()) < stats.norm.isf(FALSE_ALARM / (2 * dim))
    assert float(draws.norm(dim=-1).log().mean()) == pytest.approx(float(law.log_magnitude()), abs=0.05)


def test_branches_are_the_pieces_of_the_sample(build: Callable[[int], Law]) -> None:
    law = build(3)
    log_weights, deltas = law.branches(noise(500, 3))
    log_weights = log_weights.expand(deltas.shape[:-1])
    assert torch.allclose(log_weights.exp().sum(-1), number(1.0))
    distance = (deltas - law.sample(noise(500, 3)).unsqueeze(-2)).norm(dim=-1)
    assert float(distance.amin(-1).max()) < 1e-9


def fitted_to(frames: torch.Tensor) -> dict[str, Law]:
    """Each family near its best on frames without direction, and a little off it."""
    dim, log_size = frames.shape[-1], frames.norm(dim=-1).log()
    plain = Polar(VonMisesFisher(units(dim), number(1e-6)), log_size.mean(), log_size.std())
    origin = torch.zeros(3, dim, dtype=torch.float64)
    pointed = DirectionMixture(weights(3), units(3, dim), number(2.0).reshape(1))
    return {
        "vmf": plain,
        "vmf_pointed": replace(plain, direction_law=VonMisesFisher(units(dim), number(5.0))),
        "power_spherical": replace(plain, direction_law=PowerSpherical(units(dim), number(1e-6))),
        "kappa_on_magnitude": KappaOnMagnitude(**vars(plain), slope=number(1.0)),
        "magnitude_on_direction": MagnitudeOnDirection(**vars(plain), lean=0.05 * units(dim)),
        "directions": PolarMixture(pointed, plain.location, plain.scale),
        "gaussians": GaussianMixture(weights(3), origin, 0.01 * normals(3, dim)),
        "gaussians_isotropic": GaussianMixture(weights(3), 0.02 * normals(3, dim), origin[:, :1]),
    }


def test_no_family_beats_the_truth() -> None:
    # On N(0, I_512) a uniform direction x LogNormal magnitude nearly is the truth, 726.50 nats; without the
    # Jacobian the same number would be -866.9.
    frames = normals(4000, 512, seed=0)
    truth = 0.5 * frames.square().sum(-1) + 256 * math.log(2 * math.pi)
    assert float(truth.mean()) == pytest.approx(256 * math.log(2 * math.pi * math.e), abs=1.5)
    for name, law in fitted_to(normals(4000, 512, seed=9)).items():
        excess = -law.log_prob(frames) - truth
        error = float(excess.std()) / math.sqrt(4000)
        assert -Z * error < float(excess.mean()) < 0.6, f"{name}: {float(excess.mean())} nats over the truth"


def test_mixture_agrees_with_scipy() -> None:
    law, points = mixture(4), normals(50, 4, seed=3)
    parts = [
        float(law.log_weights[k].exp())
        * stats.multivariate_normal(law.means[k].numpy(), np.diag((2 * law.log_scales[k]).exp().numpy())).pdf(
            points
        )
        for k in range(3)
    ]
    assert np.allclose(np.log(sum(parts)), law.log_prob(points).numpy(), atol=1e-12)


def test_isotropic_is_diagonal_of_equal_scales() -> None:
    law, points = mixture(4, isotropic=True), normals(50, 4, seed=3)
    diagonal = replace(law, log_scales=law.log_scales.expand(3, 4))
    assert torch.allclose(law.log_prob(points), diagonal.log_prob(points))
    assert torch.allclose(law.log_magnitude(), diagonal.log_magnitude())
    assert torch.equal(law.sample(noise(50, 4)), diagonal.sample(noise(50, 4)))


@pytest.mark.parametrize(
    "law", [mixture(3), directions(3, 1.0, 6.0, 3.0), polar(3, 4.0)], ids=["gaussians", "directions", "polar"]
)
def test_a_cold_mixture_stays_at_its_mode(law: GaussianMixture | PolarMixture) -> None:
    assert torch.allclose(law.tempered(1.0).log_prob(normals(9, 3)), law.log_prob(normals(9, 3)))
    cold = law.tempered(1e-8).sample(noise(100, 3))
    assert torch.allclose(cold, law.mode().expand(100, 3), atol=2e-3)


def test_coupled_laws_without_coupling_are_the_plain_one() -> None:
    plain, points = polar(5, 7.0), normals(20, 5)
    for law in (
        KappaOnMagnitude(**vars(plain), slope=number(0.0)),
        MagnitudeOnDirection(**vars(plain), lean=torch.zeros(5, dtype=torch.float64)),
    ):
        assert torch.allclose(law.log_prob(points), plain.log_prob(points))
        assert torch.allclose(law.mean(), plain.mean()) and torch.allclose(law.mode(), plain.mode())
        assert torch.equal(law.sample(noise(9, 5)), plain.sample(noise(9, 5)))


@pytest.mark.parametrize("scale", [0.1, 1.5])
@pytest.mark.parametrize("slope", [-2.0, 1.0, 2.0])
def test_mean_of_kappa_on_magnitude_at_its_bounds(scale: float, slope: float) -> None:
    law = KappaOnMagnitude(**vars(polar(64, 30.0, scale=scale)), slope=number(slope))
    z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    log_magnitude = law.location + law.scale * (law.scale + z)
    length = law._given(log_magnitude).mean_cosine()
    size = float((length * torch.exp(-z.square() / 2)).sum() / torch.exp(-z.square() / 2).sum())
    expected = size * math.exp(0.2 + scale**2 / 2)
    assert float(law.mean().norm()) == pytest.approx(expected, rel=3e-4)


def test_direction_of_a_gaussian_given_its_magnitude_is_kappa_on_magnitude() -> None:
    # N(c mu, s^2 I) given m is vMF with kappa = c m / s^2: slope 1.
    mu, c, s = units(6), 1.5, 0.8
    law = KappaOnMagnitude(
        VonMisesFisher(mu, number(c * 2.0 / s**2)), number(math.log(2.0)), number(0.5), number(1.0)
    )
    points = 2.5 * units(40, 6)
    log_ratio = law.log_prob(points) + (points - c * mu).square().sum(-1) / (2 * s**2)
    assert float(log_ratio.std()) < 0.002  # constant on a sphere, up to the bound on kappa


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


def power_spherical(dim: int, kappa: torch.Tensor) -> PowerSpherical:
    return PowerSpherical(torch.eye(dim, dtype=kappa.dtype)[0].expand(*kappa.shape, dim), kappa)


@pytest.mark.parametrize("dim", [3, 33, 513])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 30.0, 1e6])
def test_power_spherical_normaliser_keeps_its_digits(dim: int, kappa: float) -> None:
    # For odd d the Gamma functions leave a product of (d - 1) / 2 factors.
    beta = (dim - 1) // 2
    exact = math.fsum(math.log(beta + kappa + i) for i in range(beta)) - beta * math.log(4 * math.pi)
    for dtype, allowed in ((torch.float64, 1e-7), (torch.float32, 3e-7 * abs(exact) + 1e-6)):
        law = power_spherical(dim, torch.tensor(kappa, dtype=dtype))
        assert float(law.log_prob(law.mu)) == pytest.approx(exact, abs=allowed)


def test_power_spherical_in_float32_where_cosine_is_one() -> None:
    law = power_spherical(512, torch.full((200,), 1e6, dtype=torch.float64))
    x = law.sample(normals(200, 512), torch.linspace(0.001, 0.999, 200, dtype=torch.float64))
    rough = PowerSpherical(law.mu.float(), law.kappa.float()).log_prob(x.float())
    assert float((rough.double() - law.log_prob(x)).abs().max()) < 2e-3


@pytest.mark.parametrize("dim", [3, 32, 512])
@pytest.mark.parametrize("ratio", [0.0, 1.0, 2000.0])
def test_power_spherical_cosine_is_the_betas_quantile(dim: int, ratio: float) -> None:
    uniform = torch.tensor([1e-5, 0.01, 0.1, 0.5, 0.9, 0.99], dtype=torch.float64)
    beta, kappa = (dim - 1) / 2, ratio * dim
    law = power_spherical(dim, torch.full_like(uniform, kappa).requires_grad_())
    half = (1 + law.sample(normals(6, dim), uniform)[:, 0]) / 2
    assert stats.beta.cdf(half.detach().numpy(), kappa + beta, beta) == pytest.approx(
        uniform.numpy(), abs=1e-4
    )
    slope = torch.autograd.grad(half.sum(), law.kappa)[0].numpy()
    change = 1e-4 * (1 + kappa)
    sides = [stats.beta.ppf(uniform.numpy(), kappa + beta + h, beta) for h in (change, -change)]
    assert slope == pytest.approx((sides[0] - sides[1]) / (2 * change), rel=0.02)


def test_mean_feedback_keeps_a_squared_of_the_energy() -> None:
    law = polar(64, 64.0, location=0.0, scale=0.3)
    energy = float(law.mean().norm()) ** 2 / math.exp(2 * 0.3**2)
    assert energy == pytest.approx(float(vmf_mean_resultant_length(64, law.kappa)) ** 2 * math.exp(-(0.3**2)))
    assert float(law.mode().norm()) == pytest.approx(1.0)
