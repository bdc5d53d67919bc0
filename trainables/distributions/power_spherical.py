"""The power spherical law on the unit sphere in R^d (N. De Cao, W. Aziz, The Power Spherical distribution,
2020).

Density ``(1 + mu.x)^kappa`` over its normaliser. With t = mu.x, (1 + t) / 2 ~ Beta(alpha, beta), where
alpha = beta + kappa and beta = (d - 1) / 2; E[t] = (alpha - beta) / (alpha + beta) = kappa / (kappa + d - 1).

Shapes: d dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from trainables.distributions.axial import Axial

_POINTS = 129  # of the quantile's table
_WIDTHS = 8.0  # its half-width, in standard deviations of the Beta's logit
_TAIL = 8.0  # and what that lacks where the upper tail, exp(-beta s), is no Gaussian's: on small spheres


@dataclass
class PowerSpherical(Axial):
    """Unit vectors of density proportional to ``(1 + mu.x)^kappa`` with respect to the sphere's area."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density at unit vectors ``x`` [..., d], in nats: [...].

        ``kappa log((1 + mu.x) / 2) = kappa log1p(-|x - mu|^2 / 4)`` keeps its digits where ``kappa`` is large
        and ``mu.x`` close to 1; the normaliser is a difference of two large numbers, taken in float64.
        """
        farness = ((x - self.mu).square().sum(-1) / 4).clamp_max(1 - torch.finfo(x.dtype).eps)
        return self._log_peak() + self.kappa * torch.log1p(-farness)

    def mean_cosine(self) -> Tensor:
        """The mean cosine to ``mu``, kappa / (kappa + d - 1): [...]."""
        return self.kappa / (self.kappa + self.dim - 1)

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., d] from standard normal noise [..., d] and uniform noise in (0, 1) [...].

        The cosine is tanh(s / 2) for s the Beta's logit, from its quantile function; the rest comes from the
        noise orthogonal to ``mu``. 1 - cosine^2 = 1 / cosh^2(s / 2) keeps its digits near ``mu``.
        """
        kappa, uniform = torch.broadcast_tensors(self.kappa, uniform)
        half = _BetaLogit.apply(kappa, uniform, (self.dim - 1) / 2)[0].unsqueeze(-1) / 2
        return torch.tanh(half) * self.mu + self.across(normal) / torch.cosh(half)

    def _log_peak(self) -> Tensor:
        """Log density at mu: log Gamma(alpha + beta) - log Gamma(alpha) - beta log 4 pi."""
        beta = (self.dim - 1) / 2
        alpha = self.kappa.double() + beta
        peak = torch.lgamma(alpha + beta) - torch.lgamma(alpha) - beta * math.log(4 * math.pi)
        return peak.to(self.kappa.dtype)


class _BetaLogit(torch.autograd.Function):
    """The quantile of s = log(z / (1 - z)), z ~ Beta(kappa + beta, beta), and its derivative by kappa: [...]
    each.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(kappa: Tensor, uniform: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        table = _Table(kappa.double().unsqueeze(-1) + beta, beta)
        quantile, slope = table.quantile(uniform.double().unsqueeze(-1))
        return quantile.squeeze(-1).to(kappa.dtype), slope.squeeze(-1).to(kappa.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None


class _Table:
    """The density f(s) and its integral at points around the mode, where log f(s) = alpha log sigmoid(s) +
    beta log sigmoid(-s) + const.
    """

    def __init__(self, alpha: Tensor, beta: float) -> None:
        mode = torch.log(alpha / beta)
        half = _WIDTHS * torch.sqrt((alpha + beta) / (alpha * beta)) + _TAIL / beta
        self.s = mode + half * torch.linspace(-1, 1, _POINTS, dtype=alpha.dtype, device=alpha.device)
        self.step = half * (2 / (_POINTS - 1))
        score = logsigmoid(self.s) - logsigmoid(mode)  # d log f / d alpha, up to a constant
        # log sigmoid(-s) = log sigmoid(s) - s
        self.density = torch.exp((alpha + beta) * score - beta * (self.s - mode))
        above = torch.sigmoid(-self.s)
        steepness = (alpha + beta) * above - beta  # d log f / ds
        self.below = self._integral(self.density, steepness * self.density)
        drift = self._integral(self.density * score, (steepness * score + above) * self.density)
        self.drift = drift - drift[..., -1:] / self.below[..., -1:] * self.below

    def quantile(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """The quantile of uniform noise [..., 1], and its derivative by alpha: minus that of the distribution
        function, over the density.
        """
        target = uniform * self.below[..., -1:]
        cell = (self.below <= target).sum(-1, keepdim=True).clamp(1, _POINTS - 1) - 1
        share = self._share(target, cell)
        drift, density = (torch.lerp(*_ends(values, cell), share) for values in (self.drift, self.density))
        return self.s.gather(-1, cell) + share * self.step, -drift / density.clamp_min(1e-300)

    def _share(self, target: Tensor, cell: Tensor) -> Tensor:
        """How far into its cell the target lies, the density there being linear: the root of a quadratic."""
        below, above = _ends(self.below, cell)
        low, high = _ends(self.density, cell)
        rest = ((target - below) / (above - below).clamp_min(1e-300)).clamp(0, 1) * (low + high)
        root = (low.square() + (high - low) * rest).clamp_min(0).sqrt()
        return rest / (low + root).clamp_min(1e-300)

    def _integral(self, values: Tensor, slopes: Tensor) -> Tensor:
        """Integral from the first point to each, [..., points]: trapezoid rule with its end correction."""
        cells = (values[..., 1:] + values[..., :-1]) / 2 - slopes.diff(dim=-1) * (self.step / 12)
        return torch.nn.functional.pad(cells.cumsum(-1) * self.step, (1, 0))


def _ends(values: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    return values.gather(-1, cell), values.gather(-1, cell + 1)
