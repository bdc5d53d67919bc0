"""The normaliser of the von Mises-Fisher law in d dimensions, without overflow, underflow or cancellation.

Everything follows from ``h_d(kappa) = log 0F1(; d/2; kappa^2 / 4) = log C_d(0) - log C_d(kappa)``, whose
derivative is the mean resultant length ``A_d = I_{d/2} / I_{d/2-1}``. Evaluated by the uniform (Debye)
expansion of the modified Bessel function at an order of at least 20 (DLMF 10.41) and, below that order, by
the downward recurrence of the ratio. All arithmetic is float64; results come back in the dtype of ``kappa``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

_MIN_ORDER = 20  # where twelve Debye terms reach float64 rounding
_TERMS = 12
_FEW = 1 << 14


def vmf_log_normalizer(dim: int, kappa: Tensor) -> Tensor:
    """log C_d(kappa): the log density of vMF(mu, kappa) at x is ``log C_d + kappa mu.x`` (nats), on the unit
    sphere in R^d.

    Args:
        dim: d >= 2.
        kappa: concentrations >= 0, any shape.

    Example:
        >>> round(float(vmf_log_normalizer(512, torch.tensor(700.0, dtype=torch.float64))), 3)
        550.207
    """
    return log_uniform_density(dim) - log_growth(dim, kappa) - kappa


def vmf_mean_resultant_length(dim: int, kappa: Tensor) -> Tensor:
    """A_d(kappa) = E[mu.x], in [0, 1): the mean cosine to the mean direction.

    Example:
        >>> round(float(vmf_mean_resultant_length(512, torch.tensor(700.0, dtype=torch.float64))), 6)
        0.699369
    """
    return _MeanResultant.apply(kappa, dim)


def log_growth(dim: int, kappa: Tensor) -> Tensor:
    """h_d(kappa) - kappa, which stays of the order of d log kappa where h itself grows like kappa."""
    return _LogGrowth.apply(kappa, dim)


def log_uniform_density(dim: int) -> float:
    """log C_d(0): minus the log area of the unit sphere in R^d."""
    return math.lgamma(dim / 2) - math.log(2) - dim / 2 * math.log(math.pi)


class _LogGrowth(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, dim: int) -> Tensor:
        return _evaluate(kappa, dim, "growth").to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return grad * (_MeanResultant.apply(kappa, ctx.dim) - 1), None


class _MeanResultant(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, dim: int) -> Tensor:
        return _evaluate(kappa, dim, "ratio").to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return grad * _evaluate(kappa, ctx.dim, "slope").to(kappa.dtype), None


def _evaluate(kappa: Tensor, dim: int, want: str) -> Tensor:
    """h - kappa ("growth"), A ("ratio") or A' ("slope"), in float64."""
    order = dim / 2 - 1
    steps = max(0, math.ceil(_MIN_ORDER - order))
    kappa = kappa.double()
    top = _Debye(kappa, order + steps)
    if steps == 0:
        return getattr(top, want)()
    ratio = top.ratio()
    total = ratio if want == "ratio" else getattr(top, want)()
    # k / A_nu = 2 (nu + 1) + k A_{nu+1}, from the expansion's order down to the one asked for.
    for nu in (order + j for j in reversed(range(steps))):
        k_over_ratio = 2 * (nu + 1) + kappa * ratio
        if want == "growth":
            total = total + torch.log(k_over_ratio / (2 * (nu + 1)))
        elif want == "slope":
            total = (2 * (nu + 1) / k_over_ratio - kappa * (kappa * total / k_over_ratio)) / k_over_ratio
        ratio = kappa / k_over_ratio
    return ratio if want == "ratio" else total


class _Debye:
    """The uniform expansion at one order n; differences are taken in closed form."""

    def __init__(self, kappa: Tensor, order: float) -> None:
        self.order = order
        self.z = kappa / order
        self.s = torch.hypot(torch.ones_like(self.z), self.z)
        self.p = 1 / self.s
        self.series = _series(self.p, order)  # E(p), p E'(p), p^2 E''(p)

    def growth(self) -> Tensor:
        z, s = self.z, self.s
        leading = -2 * z / (s + 1 + z) - torch.log1p(z * (z / (1 + s)) / 2)
        return self.order * leading + self.p.log() / 2 + self.series[0] - _series_at_one(self.order)

    def ratio(self) -> Tensor:
        return self.z * (1 / (1 + self.s) - self.p * self.p * (1 + 2 * self.series[1]) / (2 * self.order))

    def slope(self) -> Tensor:
        p, (_, first, second) = self.p, self.series
        correction = (1 - p * p) * (1 + 3 * first + second) - 0.5 - first
        return (p / (1 + self.s) + p * p * correction / self.order) / self.order


def _series(p: Tensor, order: float) -> tuple[Tensor, Tensor, Tensor]:
    """E(p) = sum_j D_j(p) / n^j with its first two (p-weighted) derivatives."""
    rows = _derivative_table(order)
    if p.numel() <= _FEW:  # the time goes into the number of calls: one product with all powers
        powers = torch.arange(1, len(rows) + 1, device=p.device, dtype=p.dtype)
        table = torch.tensor(rows, device=p.device, dtype=p.dtype)
        value, first, second = (torch.pow(p.unsqueeze(-1), powers) @ table).unbind(-1)
        return value, first, second
    value = first = second = torch.zeros_like(p)  # the time goes into memory: Horner's scheme
    for c0, c1, c2 in reversed(rows):
        value, first, second = (value + c0) * p, (first + c1) * p, (second + c2) * p
    return value, first, second


@lru_cache
def _derivative_table(order: float) -> tuple[tuple[float, float, float], ...]:
    """Coefficients of p^m in E, p E' and p^2 E'', for m = 1, 2, ..."""
    return tuple((c, m * c, m * (m - 1) * c) for m, c in enumerate(_coefficients(order)) if m > 0)


@lru_cache
def _series_at_one(order: float) -> float:
    return math.fsum(_coefficients(order))


@lru_cache
def _coefficients(order: float) -> tuple[float, ...]:
    """Coefficients of E in powers of p, with the powers of 1/n folded in."""
    total = [0.0] * (3 * _TERMS + 1)
    for j, polynomial in enumerate(_log_cumulants(), start=1):
        scale = float(order) ** -j
        for power, coefficient in enumerate(polynomial):
            total[power] += float(coefficient) * scale
    while total[-1] == 0 or abs(total[-1]) < 1e-19:
        total.pop()
    return tuple(total)


@lru_cache
def _log_cumulants() -> tuple[tuple[Fraction, ...], ...]:
    """D_1 ... D_12 in log(1 + sum U_j x^j) = sum D_j x^j; U_j are Debye's polynomials (DLMF 10.41.9)."""
    debye = [_Polynomial((Fraction(1),))]
    for _ in range(_TERMS):
        debye.append(debye[-1].next_debye())
    cumulants: list[_Polynomial] = []
    for j in range(1, _TERMS + 1):
        total = debye[j].scaled(Fraction(j))
        for i, cumulant in enumerate(cumulants, start=1):
            total = total.plus(cumulant.times(debye[j - i]).scaled(Fraction(-i)))
        cumulants.append(total.scaled(Fraction(1, j)))
    return tuple(c.coefficients for c in cumulants)


class _Polynomial:
    """Just enough exact polynomial arithmetic for the Debye recurrence."""

    def __init__(self, coefficients: tuple[Fraction, ...]) -> None:
        size = max((i + 1 for i, c in enumerate(coefficients) if c), default=1)
        self.coefficients = coefficients[:size]

    def scaled(self, factor: Fraction) -> _Polynomial:
        return _Polynomial(tuple(factor * c for c in self.coefficients))

    def plus(self, other: _Polynomial) -> _Polynomial:
        size = max(len(self.coefficients), len(other.coefficients))
        padded = [p.coefficients + (Fraction(0),) * (size - len(p.coefficients)) for p in (self, other)]
        return _Polynomial(tuple(a + b for a, b in zip(*padded, strict=True)))

    def times(self, other: _Polynomial) -> _Polynomial:
        product = [Fraction(0)] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, a in enumerate(self.coefficients):
            for j, b in enumerate(other.coefficients):
                product[i + j] += a * b
        return _Polynomial(tuple(product))

    def next_debye(self) -> _Polynomial:
        """U_{j+1} = p^2 (1 - p^2) U_j' / 2 + (1/8) int_0^p (1 - 5 t^2) U_j dt."""
        derivative = _Polynomial(tuple(i * c for i, c in enumerate(self.coefficients))[1:] or (Fraction(0),))
        half = Fraction(1, 2)
        local = derivative.times(_Polynomial((Fraction(0), Fraction(0), half, Fraction(0), -half)))
        weighted = self.times(_Polynomial((Fraction(1, 8), Fraction(0), Fraction(-5, 8))))
        integral = (Fraction(0), *(c / (i + 1) for i, c in enumerate(weighted.coefficients)))
        return local.plus(_Polynomial(integral))
