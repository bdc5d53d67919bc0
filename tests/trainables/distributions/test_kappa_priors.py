"""The priors are the densities they are named after, in log kappa; the balanced gradient is bounded."""

import math

import pytest
import torch
from torch.func import grad, vmap

from trainables.distributions.bessel import (
    vmf_log_growth,
    vmf_mean_resultant_length,
    vmf_mean_resultant_slope,
)
from trainables.distributions.kappa_priors import balanced_log_kappa, kappa_penalty

FAMILIES = ("lognormal", "gamma", "beta")


def number(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def moments(family: str, dim: int, ratio: float, width: float) -> tuple[float, float, float]:
    """E[log kappa], E[kappa] and E[A] under exp(-penalty) d log kappa."""
    log_kappa = math.log(dim * ratio) + torch.linspace(-9, 5, 20_001, dtype=torch.float64)
    kappa = log_kappa.exp()
    weight = torch.softmax(-kappa_penalty(family, kappa, dim, number(ratio), number(width)), 0)
    values = (log_kappa, kappa, vmf_mean_resultant_length(dim, kappa))
    return tuple(float((weight * value).sum()) for value in values)  # type: ignore[return-value]


@pytest.mark.parametrize("dim", [3, 64, 512])
@pytest.mark.parametrize("ratio", [0.1, 1.5])
def test_each_prior_has_the_mean_it_names(dim: int, ratio: float) -> None:
    assert moments("lognormal", dim, ratio, 0.4)[0] == pytest.approx(math.log(dim * ratio), abs=1e-9)
    assert moments("gamma", dim, ratio, 0.4)[1] == pytest.approx(dim * ratio, rel=1e-9)
    mean = float(vmf_mean_resultant_length(dim, number(dim * ratio)))
    assert moments("beta", dim, ratio, 0.4)[2] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_match_finite_differences(family: str) -> None:
    arguments = [number(x).requires_grad_() for x in (40.0, 0.7, 0.5)]
    assert torch.autograd.gradcheck(lambda k, r, w: kappa_penalty(family, k, 32, r, w), arguments)


@pytest.mark.parametrize("family", ["lognormal", "gamma"])
def test_penalty_is_least_at_the_ratio(family: str) -> None:
    slope = grad(lambda x: kappa_penalty(family, x.exp(), 64, number(0.3), number(0.5)))
    assert float(slope(number(math.log(64 * 0.3)))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_width_is_roughly_that_of_log_kappa(family: str) -> None:
    slope = grad(lambda x: kappa_penalty(family, x.exp(), 64, number(0.3), number(0.2)))
    centre = math.log(64 * 0.3)
    bend = float(slope(number(centre + 1e-4)) - slope(number(centre - 1e-4))) / 2e-4
    assert bend == pytest.approx(1 / 0.2**2, rel=0.5)


def test_gamma_caps_kappa_on_saturated_data() -> None:
    # all cosines 1: log density (d - 1) / 2 log kappa; kappa stops at ((d - 1) / 2 + a) / b. With the density
    # with respect to kappa the cap would be ((d - 1) / 2 + a - 1) / b.
    dim, ratio, width = 512, 1.0, 0.1
    a = 1 / width**2
    b = a / (ratio * dim)
    slope = grad(
        lambda x: (
            vmf_log_growth(dim, x.exp()) + kappa_penalty("gamma", x.exp(), dim, number(ratio), number(width))
        )
    )
    cap = math.log(((dim - 1) / 2 + a) / b)
    low, high = cap - 1, cap + 1
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if float(slope(number(middle))) < 0 else (low, middle)
    # (d - 1) / 2 is the limit of kappa (1 - A), reached to about d / (4 kappa)
    assert math.exp(low - cap) == pytest.approx(1, abs=0.15)
    kappa = math.exp(low)
    rest = kappa * (1 - float(vmf_mean_resultant_length(dim, number(kappa))))
    assert kappa == pytest.approx((rest + a) / b, rel=1e-9)


def test_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'cauchy'.*lognormal, gamma, beta"):
        kappa_penalty("cauchy", number(1.0), 3, number(1.0), number(1.0))


def test_priors_differ_by_lane() -> None:
    kappa, ratios, widths = number(30.0), torch.tensor([0.5, 1.0]), torch.tensor([0.2, 0.7])
    for family in FAMILIES:
        lanes = vmap(lambda r, w, f=family: kappa_penalty(f, kappa, 16, r, w))(ratios, widths)
        alone = [float(kappa_penalty(family, kappa, 16, r, w)) for r, w in zip(ratios, widths, strict=True)]
        assert lanes.tolist() == pytest.approx(alone)


@pytest.mark.parametrize("dim", [3, 512])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_balanced_gradient(dim: int, dtype: torch.dtype) -> None:
    log_ratio = torch.tensor([-20.0, 0.0, 5.0, 80.0], dtype=dtype)
    assert torch.equal(balanced_log_kappa(log_ratio, dim), log_ratio)
    scale = vmap(grad(lambda x: balanced_log_kappa(x, dim)))(log_ratio)
    kappa = dim * log_ratio.double().exp()
    expected = (1 + kappa**2 * vmf_mean_resultant_slope(dim, kappa)).rsqrt()
    assert scale.tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert float(scale.max()) <= 1
    assert float(scale[-1]) == pytest.approx(1 / math.sqrt(1 + (dim - 1) / 2), rel=1e-6)
