"""The von Mises-Fisher law on the unit sphere in R^d: density, mean direction, and samples from given noise.

Reference: K. V. Mardia, P. E. Jupp, Directional Statistics (2000), section 9.3.

Shapes: d dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.angle_quantile import angle_quantile
from trainables.distributions.axial import Axial
from trainables.distributions.bessel import (
    log_uniform_density,
    vmf_entropy,
    vmf_kl,
    vmf_log_growth,
    vmf_mean_resultant_length,
)


@dataclass
class VonMisesFisher(Axial):
    """The law vMF(mu, kappa), of density ``C_d(kappa) exp(kappa mu.x)`` with respect to the sphere's area."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density at unit vectors ``x`` [..., d], in nats: [...].

        ``1 - mu.x = |x - mu|^2 / 2`` keeps its digits where ``kappa`` is large and ``mu.x`` close to 1.
        """
        with torch.autocast(x.device.type, enabled=False):
            complement = (x - self.mu).square().sum(-1) / 2
            return log_uniform_density(self.dim) - (
                vmf_log_growth(self.dim, self.kappa) + self.kappa * complement
            )

    def mean_cosine(self) -> Tensor:
        """The mean cosine to ``mu``, A_d(kappa): [...]."""
        return vmf_mean_resultant_length(self.dim, self.kappa)

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., d] from standard normal noise [..., d] and uniform noise in (0, 1) [...].

        Exact: the cosine to ``mu`` is the quantile of its law at ``uniform``, the rest is the noise across
        ``mu``. Differentiable in ``mu`` and ``kappa``. The difference x - mu is computed directly, so that
        it keeps its digits where it is short.
        """
        angle = angle_quantile(self.dim, self.kappa, uniform).unsqueeze(-1)
        versine, sine = 2 * (angle / 2).sin().square(), angle.sin()  # 1 - cosine, and the length across
        return self.mu + (sine.to(normal.dtype) * self.across(normal) - versine.to(normal.dtype) * self.mu)

    def entropy(self) -> Tensor:
        """Differential entropy with respect to the sphere's area, nats: [...]."""
        return vmf_entropy(self.dim, self.kappa)

    def kl(self, other: VonMisesFisher) -> Tensor:
        """The divergence KL(self || other), nats: [...]."""
        complement = (self.mu - other.mu).square().sum(-1) / 2
        return vmf_kl(self.dim, self.kappa, other.kappa, complement)
