"""Priors on the concentration of a von Mises-Fisher law, and a gradient that does not drown all others.

All three families share two parameters: ``ratio``, where kappa / d should be, and ``width``, roughly the
standard deviation of log kappa. All densities are taken with respect to log kappa, the number that a head
puts out; the density with respect to kappa itself is that divided by kappa.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.distributions.bessel import (
    vmf_mean_resultant_complement,
    vmf_mean_resultant_length,
    vmf_mean_resultant_slope,
)


def kappa_penalty(family: str, kappa: Tensor, dim: int, ratio: Tensor, width: Tensor) -> Tensor:
    """Minus the log density of log kappa under a prior, nats, up to a constant independent of kappa: [...].

    - ``lognormal``: log kappa is normal around log(ratio d), with standard deviation ``width``.
    - ``gamma``: kappa is Gamma(a, a / (ratio d)) with a = 1 / width^2, so that its mean is ratio d and its
      relative deviation ``width``.
    - ``beta``: A_d(kappa) is Beta(a, b) with mean A0 = A_d(ratio d) and a + b = 1 / (width^2 A0 (1 - A0)), so
      that logit A, which grows like log kappa at both ends, has a deviation of about ``width``.

    Args:
        family: one of the names above.
        kappa: concentrations > 0, [...].
        dim: d >= 2.
        ratio: where kappa / d should be, > 0, broadcasting with kappa.
        width: relative spread, > 0, broadcasting with kappa.

    Raises:
        ValueError: no family has that name.
    """
    if family not in _FAMILIES:
        raise ValueError(f"no prior on kappa is called {family!r}; there are {', '.join(_FAMILIES)}")
    return _FAMILIES[family](kappa, dim, ratio, width)


def balanced_log_kappa(log_ratio: Tensor, dim: int) -> Tensor:
    """Return ``log_ratio`` = log(kappa / d) as it is, [...], but with its gradient times 1 / sqrt(1 + J).

    J = kappa^2 A_d'(kappa) is the Fisher information of log kappa, which tends to (d - 1) / 2: at d = 512 the
    gradient of the log density in log kappa is sixteen times that of a parameter of unit information. This is
    half of a natural gradient: fluctuations of the gradient come to 1 at most, and nothing is amplified.
    """
    return _Balanced.apply(log_ratio, dim)


def _log_normal(kappa: Tensor, dim: int, ratio: Tensor, width: Tensor) -> Tensor:
    return ((kappa / (dim * ratio)).log() / width).square() / 2


def _gamma(kappa: Tensor, dim: int, ratio: Tensor, width: Tensor) -> Tensor:
    relative = kappa / (dim * ratio)
    return (relative - 1 - relative.log()) / width.square()


def _beta(kappa: Tensor, dim: int, ratio: Tensor, width: Tensor) -> Tensor:
    centre = dim * ratio
    a = 1 / (width.square() * vmf_mean_resultant_complement(dim, centre))
    b = 1 / (width.square() * vmf_mean_resultant_length(dim, centre))
    length, rest = vmf_mean_resultant_length(dim, kappa), vmf_mean_resultant_complement(dim, kappa)
    jacobian = kappa.log() + vmf_mean_resultant_slope(dim, kappa).log()  # of A in log kappa
    return -(a - 1) * length.log() - (b - 1) * rest.log() - jacobian


_FAMILIES = {"lognormal": _log_normal, "gamma": _gamma, "beta": _beta}


class _Balanced(torch.autograd.Function):
    @staticmethod
    def forward(log_ratio: Tensor, dim: int) -> Tensor:
        return log_ratio.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        log_ratio, ctx.dim = inputs
        ctx.save_for_backward(log_ratio)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], log_ratio: Tensor, dim: int) -> tuple[Tensor, int]:
        return _Balanced.apply(log_ratio, dim), in_dims[0]  # each number by itself

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (log_ratio,) = ctx.saved_tensors
        kappa = ctx.dim * log_ratio.double().exp()  # in float32 kappa^2 may overflow and A' vanish
        information = kappa * (kappa * vmf_mean_resultant_slope(ctx.dim, kappa))
        return grad * torch.rsqrt(1 + information).to(grad.dtype), None
