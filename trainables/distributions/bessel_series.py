"""Ratios and logarithms of modified Bessel functions for any concentration, in float64.

With n = d/2 - 1 and h(k) = log 0F1(; n + 1; k^2 / 4), seven quantities: ``log_partition`` h, ``log_growth``
h - k, ``ratio`` A = h' = I_{n+1}(k) / I_n(k), ``complement`` 1 - A, ``slope`` A', ``curvature`` A'' and
``divergence`` k A - h. From order 24 on by the uniform (Debye) expansion in z = k / n, s = sqrt(1 + z^2) and
p = 1 / s; below, by the downward recurrence of the ratio from the first order that reaches it. Each is
arranged so that no two large numbers are subtracted, and the same operations serve every concentration.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from trainables.distributions.debye import debye_polynomial

_MIN_ORDER = 24

Values = dict[str, Tensor]

# What one step of the recurrence reads besides the quantity itself.
_COMPANIONS = {
    "ratio": (),
    "slope": ("ratio",),
    "curvature": ("ratio", "slope"),
    "divergence": ("ratio", "slope"),
}


def evaluate_series(quantity: str, dim: int, kappa: Tensor) -> Tensor:
    """One of the seven quantities at concentrations ``kappa`` >= 0 of any shape and float64, 0 ... 1e38."""
    order = dim / 2 - 1
    steps = max(0, math.ceil(_MIN_ORDER - order))
    names = (*_COMPANIONS.get(quantity, ("ratio",)), quantity) if steps else (quantity,)
    values = _expansion(names, kappa, dim - 2 + 2 * steps)
    for step in reversed(range(steps)):
        values = _one_order_down(values, kappa, 2 * (order + step + 1))
    return values[quantity]


def _expansion(names: tuple[str, ...], kappa: Tensor, twice_order: int) -> Values:
    n = twice_order / 2
    z = kappa / n
    s = (1 + z * z).sqrt()
    p = 1 / s
    y = 2 * p - 1
    return {
        name: _CLOSED_FORM[name](n, z, s, p, _horner(_coefficients(name, twice_order), y)) for name in names
    }


def _coefficients(quantity: str, twice_order: int) -> tuple[float, ...]:
    return debye_polynomial(quantity, twice_order)


# The compiler cannot follow exact arithmetic. This is all that torch.compiler.assume_constant_result does; it
# would load the compiler first, for a second and a half in every process.
_coefficients._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _horner(coefficients: tuple[float, ...], y: Tensor) -> Tensor:
    total = y * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        total.add_(c).mul_(y)  # in place: the time goes into fresh memory otherwise
    return total.add_(coefficients[0])


def _log_partition(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    x = z * (z / (1 + s))  # s - 1
    return n * (x - (x / 2).log1p()) - _quarter_log(z) - x * p * correction


def _log_growth(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    x = z * (z / (1 + s))
    return n * (-2 * z / (s + 1 + z) - (x / 2).log1p()) - _quarter_log(z) - x * p * correction


def _divergence(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    x = z * (z / (1 + s))
    return n * (x / 2).log1p() + _quarter_log(z) + x * p * correction


def _ratio(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    return z * (1 / (1 + s) - p * p * correction / n)


def _complement(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    return (1 + 1 / (s + z)) / (1 + s) + z * (p * p) * correction / n


def _slope(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    return p * p * (1 / (1 + p) + correction / n) / n


def _curvature(n: float, z: Tensor, s: Tensor, p: Tensor, correction: Tensor) -> Tensor:
    return -(z * p) * p * p * p * ((2 + p) / (1 + p).square() + correction / n) / n**2


def _quarter_log(z: Tensor) -> Tensor:
    return (z * z).log1p() / 4  # - log(p) / 2


_CLOSED_FORM: dict[str, Callable[[float, Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "log_partition": _log_partition,
    "log_growth": _log_growth,
    "divergence": _divergence,
    "ratio": _ratio,
    "complement": _complement,
    "slope": _slope,
    "curvature": _curvature,
}


def _one_order_down(above: Values, kappa: Tensor, c: float) -> Values:
    """Values at order n from those at order n + 1, by ``k / A_n = c + k A_{n+1}`` with c = 2 (n + 1)."""
    denominator = c + kappa * above["ratio"]
    return {name: _STEP[name](above, kappa, c, denominator) for name in above}


def _ratio_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    return kappa / denominator


def _complement_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    return (c - kappa * above["complement"]) / denominator


def _slope_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    return (c - kappa * (kappa * above["slope"])) / denominator.square()


def _curvature_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    rise = above["ratio"] + kappa * above["slope"]  # derivative of the denominator
    bend = 2 * kappa * above["slope"] + kappa * (kappa * above["curvature"])
    slope = _slope_below(above, kappa, c, denominator)
    return -(bend / denominator.square() + 2 * slope * rise / denominator)


def _log_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    (total,) = (above[name] for name in above if name != "ratio")
    return total + (kappa * above["ratio"] / c).log1p()


def _divergence_below(above: Values, kappa: Tensor, c: float, denominator: Tensor) -> Tensor:
    # k (A_n - R) = A_n (k R' + R) for R = A_{n+1}, because R' = 1 - R^2 - (c + 1) R / k
    gained = kappa / denominator * (kappa * above["slope"] + above["ratio"])
    return above["divergence"] + gained - (kappa * above["ratio"] / c).log1p()


_STEP: dict[str, Callable[[Values, Tensor, float, Tensor], Tensor]] = {
    "log_partition": _log_below,
    "log_growth": _log_below,
    "divergence": _divergence_below,
    "ratio": _ratio_below,
    "complement": _complement_below,
    "slope": _slope_below,
    "curvature": _curvature_below,
}
