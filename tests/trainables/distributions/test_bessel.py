"""The vMF normaliser against arbitrary precision, and its derivatives against themselves."""

import random

import mpmath
import pytest
import torch
from torch.func import grad, vmap

from trainables.distributions.bessel import log_growth, vmf_log_normalizer, vmf_mean_resultant_length

_random = random.Random(0)
POINTS = [
    (d, 10 ** _random.uniform(-4, 6)) for d in (2, 3, 5, 16, 41, 42, 64, 80, 512, 4096) for _ in range(6)
]


def reference(dim: int, kappa: float) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """log C_d, A_d and A_d' at 60 digits."""
    with mpmath.workdps(60):
        k, nu = mpmath.mpf(kappa), mpmath.mpf(dim) / 2 - 1
        bessel, following = (mpmath.besseli(order, k, maxprec=100_000) for order in (nu, nu + 1))
        ratio = following / bessel
        log_c = nu * mpmath.log(k) - (nu + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(bessel)
        return log_c, ratio, 1 - ratio**2 - (dim - 1) / k * ratio


def relative(value: torch.Tensor, truth: mpmath.mpf) -> float:
    return float(abs((mpmath.mpf(value.item()) - truth) / truth))


@pytest.mark.parametrize(("dim", "kappa"), POINTS)
def test_matches_arbitrary_precision(dim: int, kappa: float) -> None:
    k = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
    log_c, ratio, slope = reference(dim, kappa)
    mean = vmf_mean_resultant_length(dim, k)
    (derivative,) = torch.autograd.grad(mean, k)
    assert relative(vmf_log_normalizer(dim, k), log_c) < 1e-13, (dim, kappa)
    assert relative(mean, ratio) < 1e-14, (dim, kappa)
    assert relative(derivative, slope) < 1e-12, (dim, kappa)


@pytest.mark.parametrize("dim", [2, 3, 32, 512])
def test_derivatives_are_those_of_the_values(dim: int) -> None:
    k = torch.tensor([0.3, 90.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_growth(dim, x), k)
    assert torch.autograd.gradgradcheck(lambda x: log_growth(dim, x), k)


@pytest.mark.parametrize("dim", [2, 16, 4096])
def test_ends_of_the_range_are_finite(dim: int) -> None:
    k = torch.tensor([0.0, 1e-30, 1e38], dtype=torch.float64)
    slopes = vmap(grad(lambda x: vmf_mean_resultant_length(dim, x)))(k)
    assert torch.isfinite(vmf_log_normalizer(dim, k)).all()
    assert vmf_mean_resultant_length(dim, k).tolist() == pytest.approx([0, 0, 1], abs=1e-15)
    assert slopes[0].item() == pytest.approx(1 / dim, rel=1e-12)
    assert torch.isfinite(slopes).all()


def test_vmap_equals_a_loop() -> None:
    k = torch.linspace(0.1, 900, 7, dtype=torch.float64)
    stacked = vmap(grad(lambda x: log_growth(64, x)))(k)
    alone = torch.stack([grad(lambda x: log_growth(64, x))(x) for x in k])
    assert torch.equal(stacked, alone)
