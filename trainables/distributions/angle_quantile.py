"""The quantile of the angle between a von Mises-Fisher vector and its mean direction.

The angle theta has density f proportional to ``sin(theta)^(d-2) exp(kappa cos theta)`` on [0, pi], smooth for
every d >= 2 and kappa >= 0. Its distribution function F is built by Gauss-Legendre quadrature on equal cells
across the bulk and inverted by Newton's method within one cell, to 1e-10 of a probability. The derivative in
kappa is implicit, ``-(dF/dkappa) / f`` (M. Figurnov, S. Mohamed, A. Mnih, Implicit Reparameterization
Gradients, 2018). The arithmetic is float64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

_CELLS = 16
_BELOW, _ABOVE = 7.0, 14.0  # range in widths at the mode: below it f falls like a Gaussian, above slower
_RIM = 1e-14  # closer to 0 or 1 than this a probability is not resolved, and its slope means nothing
_TINY = 1e-300
_NEWTON_STEPS = 3
# Gauss-Legendre on [0, 1]: positions and weights
_NODES = (
    0.033765242898423986,
    0.16939530676686774,
    0.3806904069584015,
    0.6193095930415985,
    0.8306046932331322,
    0.966234757101576,
)
_WEIGHTS = (
    0.08566224618958517,
    0.1803807865240693,
    0.23395696728634552,
    0.23395696728634552,
    0.1803807865240693,
    0.08566224618958517,
)


def angle_quantile(dim: int, kappa: Tensor, uniform: Tensor) -> Tensor:
    """The angle theta, [...], radians, float64, with P(angle >= theta) = ``uniform``: cos(theta) is the
    cosine's quantile.

    Differentiable once in ``kappa``, not in ``uniform``.

    Args:
        dim: d >= 2.
        kappa: concentrations >= 0, [...].
        uniform: probabilities in (0, 1), [...].
    """
    theta, _ = _AngleQuantile.apply(kappa, uniform, dim)
    return theta


class _AngleQuantile(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, uniform: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        k, u = torch.broadcast_tensors(kappa.double(), uniform.double().clamp(_RIM, 1 - _RIM))
        return _invert(_Grid(k, dim), u)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        kappa, _, _ = inputs
        _, slope = output
        ctx.mark_non_differentiable(slope)
        ctx.save_for_backward(kappa, slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        kappa, slope = ctx.saved_tensors
        return (grad * slope).sum_to_size(kappa.shape).to(kappa.dtype), None, None


class _Grid:
    """The density, not normalised, on the nodes of every cell.

    Attributes:
        start, width: start of the first cell and width of every cell, radians, [...].
        log_density: log f, [..., cells, nodes], less ``offset`` [...], its maximum.
        mass, moment: integrals of f and of (1 - cos theta) f over each cell, [..., cells].
    """

    def __init__(self, kappa: Tensor, dim: int) -> None:
        self.kappa, self.power = kappa, dim - 2
        self.start, self.width = _range(kappa, self.power)
        cells = torch.arange(_CELLS, device=kappa.device, dtype=kappa.dtype)
        left = self.start.unsqueeze(-1) + self.width.unsqueeze(-1) * cells
        theta = left.unsqueeze(-1) + self.width[..., None, None] * _constants(_NODES, kappa)
        log_density, versine = self.terms(theta)
        self.offset = log_density.amax((-2, -1))
        self.log_density = log_density - self.offset[..., None, None]
        weighted = self.log_density.exp() * _constants(_WEIGHTS, kappa) * self.width[..., None, None]
        self.mass, self.moment = weighted.sum(-1), (weighted * versine).sum(-1)

    def terms(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Log density and 1 - cos theta at angles with any number of axes behind those of kappa."""
        kappa = self.kappa.reshape(self.kappa.shape + (1,) * (theta.ndim - self.kappa.ndim))
        sine, cosine = (theta / 2).sin(), (theta / 2).cos()
        versine = 2 * sine * sine
        return self.power * (2 * sine * cosine).log() - kappa * versine, versine


def _range(kappa: Tensor, power: int) -> tuple[Tensor, Tensor]:
    """Start and width of the cells; the mode solves ``power cos = kappa sin^2``."""
    root = (power * power + 4 * kappa * kappa).sqrt()
    sum_ = (power + root).clamp_min(_TINY)
    mode = (2 * power / sum_).clamp_max(1).sqrt().asin()
    spread = torch.rsqrt(sum_ / 2 + kappa * (2 * kappa / sum_))
    start = (mode - _BELOW * spread).clamp_min(0)
    end = (mode + _ABOVE * spread).clamp_max(torch.pi)
    return start, (end - start) / _CELLS


def _invert(grid: _Grid, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """The angle and its derivative in kappa, [...]."""
    cumulative, moments = grid.mass.cumsum(-1), grid.moment.cumsum(-1)
    total, mean_versine = cumulative[..., -1], moments[..., -1] / cumulative[..., -1]
    target = (1 - uniform) * total
    cell = (cumulative <= target.unsqueeze(-1)).sum(-1, keepdim=True).clamp_max(_CELLS - 1)

    def chosen(values: Tensor) -> Tensor:
        return values.gather(-1, cell).squeeze(-1)

    mass, moment = chosen(grid.mass), chosen(grid.moment)
    missing = (target - chosen(cumulative) + mass).clamp_min(0)
    left = grid.start + grid.width * cell.squeeze(-1)
    rise = chosen(grid.log_density[..., -1] - grid.log_density[..., 0])
    offset = _first_guess(missing / mass, left, grid.width, rise)
    for _ in range(_NEWTON_STEPS):
        area, _, density = _from_left(grid, left, offset)
        newton = offset + (missing - area) / density
        offset = newton.maximum(offset / 2).minimum((offset + grid.width) / 2)  # never out of the cell
    area, part, density = _from_left(grid, left, offset)
    below, moment_below = chosen(cumulative) - mass + area, chosen(moments) - moment + part
    return left + offset, (moment_below - mean_versine * below) / density


def _first_guess(share: Tensor, left: Tensor, width: Tensor, rise: Tensor) -> Tensor:
    """How far into a cell a share of its mass is reached if f dtheta is a power of tan(theta / 2).

    It is one at both ends of [0, pi]. ``rise`` is that of log f from the cell's first node to its last.
    """
    first, last = left + _NODES[0] * width, left + _NODES[-1] * width
    exponent = (rise + (last.sin() / first.sin()).log()) / (_log_tangent(last) - _log_tangent(first))
    exponent = torch.where(exponent.abs() < 1e-6, 1e-6, exponent)
    log_power = torch.logaddexp(
        (1 - share).log() + exponent * _log_tangent(left), share.log() + exponent * _log_tangent(left + width)
    )
    guess = 2 * (log_power / exponent).exp().atan() - left
    return guess.maximum(1e-3 * share * width).minimum(width).clamp_min(_TINY)


def _log_tangent(theta: Tensor) -> Tensor:
    return (theta / 2).tan().log()


def _from_left(grid: _Grid, left: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Integrals of f and of (1 - cos theta) f from the cell's left edge, and f at the right end."""
    theta = left.unsqueeze(-1) + offset.unsqueeze(-1) * _constants((*_NODES, 1.0), offset)
    log_density, versine = grid.terms(theta)
    density = (log_density - grid.offset.unsqueeze(-1)).exp()
    weighted = density * _constants((*_WEIGHTS, 0.0), offset) * offset.unsqueeze(-1)
    return weighted.sum(-1), (weighted * versine).sum(-1), density[..., -1].clamp_min(_TINY)


def _constants(values: tuple[float, ...], like: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # the compiler keeps constants itself
        return torch.tensor(values, device=like.device, dtype=like.dtype)
    return _on_device(values, like.device, like.dtype)


@cache
def _on_device(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    # Brought to the device once: a copy from the host could not be captured in a CUDA graph.
    return torch.tensor(values, device=device, dtype=dtype)
