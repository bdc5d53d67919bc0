"""The von Mises-Fisher law on the unit sphere in R^d: density, mean direction, and samples from given noise.

Reference: K. V. Mardia, P. E. Jupp, Directional Statistics (2000), section 9.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.bessel import log_growth, log_uniform_density, vmf_mean_resultant_length

_QUANTILE_POINTS = 129
_QUANTILE_WIDTHS = 9.0  # half-width of the quadrature, in standard deviations of atanh(t)


@dataclass
class VonMisesFisher:
    """vMF(mu, kappa), density ``C_d(kappa) exp(kappa mu.x)`` with respect to the sphere's area.

    Attributes:
        mu: unit mean directions, [..., d].
        kappa: concentrations >= 0, [...].
    """

    mu: Tensor
    kappa: Tensor

    @property
    def dim(self) -> int:
        """d, of the surrounding space."""
        return self.mu.shape[-1]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density at unit vectors ``x`` [..., d], in nats: [...].

        ``1 - mu.x = |x - mu|^2 / 2`` keeps its digits where ``kappa`` is large and ``mu.x`` close to 1.
        """
        complement = (x - self.mu).square().sum(-1) / 2
        return log_uniform_density(self.dim) - log_growth(self.dim, self.kappa) - self.kappa * complement

    def mean(self) -> Tensor:
        """E[x] = A_d(kappa) mu, [..., d]."""
        return self.mean_cosine().unsqueeze(-1) * self.mu

    def mean_cosine(self) -> Tensor:
        """A_d(kappa), [...]."""
        return vmf_mean_resultant_length(self.dim, self.kappa)

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., d] from standard normal noise [..., d] and uniform noise in (0, 1) [...].

        The cosine to ``mu`` comes from its quantile function, the rest from the noise orthogonal to ``mu``.
        """
        cosine = torch.tanh(self._atanh_cosine(uniform)).unsqueeze(-1)
        tangent = normal - (normal * self.mu).sum(-1, keepdim=True) * self.mu
        tangent = tangent / tangent.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(normal.dtype).tiny)
        return cosine * self.mu + ((1 - cosine) * (1 + cosine)).clamp_min(0).sqrt() * tangent

    def _atanh_cosine(self, uniform: Tensor) -> Tensor:
        """The quantile of y = atanh(mu.x), whose log density is kappa tanh y - (d - 1) log cosh y + const."""
        kappa, uniform = torch.broadcast_tensors(self.kappa.double(), uniform.double())
        rim = float(self.dim - 1)
        peak = 2 * kappa / (rim + torch.sqrt(rim * rim + 4 * kappa * kappa))  # tanh of the mode
        width = torch.rsqrt((1 - peak * peak) * (2 * kappa * peak + rim))
        offsets = torch.linspace(
            -_QUANTILE_WIDTHS, _QUANTILE_WIDTHS, _QUANTILE_POINTS, dtype=torch.float64, device=kappa.device
        )
        y = torch.atanh(peak).unsqueeze(-1) + width.unsqueeze(-1) * offsets
        log_density = kappa.unsqueeze(-1) * torch.tanh(y) - rim * (torch.logaddexp(y, -y))
        density = torch.exp(log_density - log_density.amax(-1, keepdim=True))
        steps = (density[..., 1:] + density[..., :-1]) / 2
        cumulative = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(-1)], -1)
        target = uniform.unsqueeze(-1) * cumulative[..., -1:]
        cell = (cumulative <= target).sum(-1, keepdim=True).clamp(1, _QUANTILE_POINTS - 1) - 1
        below, above = cumulative.gather(-1, cell), cumulative.gather(-1, cell + 1)
        share = (target - below) / (above - below).clamp_min(1e-300)
        quantile = y.gather(-1, cell) + share * (y.gather(-1, cell + 1) - y.gather(-1, cell))
        return quantile.squeeze(-1).to(self.kappa.dtype)
