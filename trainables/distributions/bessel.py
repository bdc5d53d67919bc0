"""The normaliser of the von Mises-Fisher law in d dimensions and what follows from it, for any concentration.

Everything derives from ``h_d(kappa) = log 0F1(; d/2; kappa^2 / 4) = log C_d(0) - log C_d(kappa)``, whose
derivative is the mean resultant length ``A_d = I_{d/2} / I_{d/2-1}`` (K. V. Mardia, P. E. Jupp, Directional
Statistics, 2000, section 9.3). Shapes: ``kappa`` [...] >= 0 in, [...] of the same dtype out; the arithmetic
is float64 and is rounded once. Derivatives are closed forms too: a value may be differentiated twice.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from trainables.distributions.bessel_series import evaluate_series


def vmf_log_normalizer(dim: int, kappa: Tensor) -> Tensor:
    """The log normaliser log C_d(kappa): the log density of vMF(mu, kappa) at x is ``log C_d + kappa mu.x``,
    in nats per area of the unit sphere in R^d.

    Example:
        >>> round(float(vmf_log_normalizer(512, torch.tensor(700.0, dtype=torch.float64))), 3)
        550.207
    """
    return _Quantity.apply(kappa, dim, "log_partition", -1, log_uniform_density(dim))


def vmf_log_partition(dim: int, kappa: Tensor) -> Tensor:
    """The log partition h_d(kappa) = log E[exp(kappa mu.x)] over uniform x, ``kappa^2 / (2 d)`` near zero."""
    return _Quantity.apply(kappa, dim, "log_partition", 1, 0.0)


def vmf_log_growth(dim: int, kappa: Tensor) -> Tensor:
    """The log partition less kappa, h_d(kappa) - kappa: of order d log kappa where h grows like kappa."""
    return _Quantity.apply(kappa, dim, "log_growth", 1, 0.0)


def vmf_mean_resultant_length(dim: int, kappa: Tensor) -> Tensor:
    """The mean cosine to the mean direction, A_d(kappa) = E[mu.x], in [0, 1).

    Example:
        >>> round(float(vmf_mean_resultant_length(512, torch.tensor(700.0, dtype=torch.float64))), 6)
        0.699369
    """
    return _Quantity.apply(kappa, dim, "ratio", 1, 0.0)


def vmf_mean_resultant_complement(dim: int, kappa: Tensor) -> Tensor:
    """One minus the mean cosine, 1 - A_d(kappa), with all its digits where A_d is close to 1."""
    return _Quantity.apply(kappa, dim, "complement", 1, 0.0)


def vmf_mean_resultant_slope(dim: int, kappa: Tensor) -> Tensor:
    """The slope A_d'(kappa): variance of mu.x and Fisher information of kappa; differentiable once."""
    return _Quantity.apply(kappa, dim, "slope", 1, 0.0)


def vmf_kl_to_uniform(dim: int, kappa: Tensor) -> Tensor:
    """The divergence from uniform, KL(vMF(kappa) || uniform) = kappa A_d - h_d, nats."""
    return _Quantity.apply(kappa, dim, "divergence", 1, 0.0)


def vmf_entropy(dim: int, kappa: Tensor) -> Tensor:
    """Differential entropy with respect to the sphere's area, nats; negative for concentrated laws."""
    return _Quantity.apply(kappa, dim, "divergence", -1, -log_uniform_density(dim))


def vmf_kl(dim: int, kappa: Tensor, other: Tensor, complement: Tensor) -> Tensor:
    """The divergence KL(vMF(mu, kappa) || vMF(nu, other)), nats.

    ``U(kappa) - U(other) + other (A(other) - A(kappa)) + other A(kappa) (1 - mu.nu)`` with U the divergence
    from uniform. The first terms cancel where the two concentrations are nearly the same: the error is then
    1e-14 of U, not of the result.

    Args:
        dim: d >= 2.
        kappa: concentrations of the first law, [...].
        other: concentrations of the second law, [...].
        complement: 1 - mu.nu of the mean directions, [...]; |mu - nu|^2 / 2 keeps its digits.
    """
    k, m, apart = (x.double() for x in torch.broadcast_tensors(kappa, other, complement))
    length, other_length = vmf_mean_resultant_length(dim, k), vmf_mean_resultant_length(dim, m)
    rest, other_rest = vmf_mean_resultant_complement(dim, k), vmf_mean_resultant_complement(dim, m)
    gained = torch.where(length < rest, other_length - length, rest - other_rest)
    total = vmf_kl_to_uniform(dim, k) - vmf_kl_to_uniform(dim, m) + m * (gained + length * apart)
    return total.to(kappa.dtype)


def log_uniform_density(dim: int) -> float:
    """The log density of a uniform direction, log C_d(0): minus the log area of the unit sphere in R^d."""
    return math.lgamma(dim / 2) - math.log(2) - dim / 2 * math.log(math.pi)


class _Quantity(torch.autograd.Function):
    """``offset + sign * quantity``, where the derivative of every quantity is another one.

    It acts on each number by itself, so that what is stacked may be taken as it is: the rule that torch would
    make up costs as much again as the series.
    """

    @staticmethod
    def forward(kappa: Tensor, dim: int, quantity: str, sign: int, offset: float) -> Tensor:
        return (offset + sign * evaluate_series(quantity, dim, kappa.double())).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        kappa, ctx.dim, ctx.quantity, ctx.sign, _ = inputs
        ctx.save_for_backward(kappa)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], kappa: Tensor, dim: int, quantity: str, sign: int, offset: float
    ) -> tuple[Tensor, int]:
        return _Quantity.apply(kappa, dim, quantity, sign, offset), in_dims[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (kappa,) = ctx.saved_tensors
        derivative, sign = _DERIVATIVE[ctx.quantity]
        slope = _Quantity.apply(kappa, ctx.dim, derivative, sign * ctx.sign, 0.0)
        weight = kappa if ctx.quantity == "divergence" else 1
        return grad * (weight * slope), None, None, None, None


# (kappa A - h)' = kappa A', the one that is not just another quantity
_DERIVATIVE = {
    "log_partition": ("ratio", 1),
    "log_growth": ("complement", -1),
    "ratio": ("slope", 1),
    "complement": ("slope", -1),
    "slope": ("curvature", 1),
    "divergence": ("slope", 1),
}
