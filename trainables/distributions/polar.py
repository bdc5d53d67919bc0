"""A density on R^d in polar form: von Mises-Fisher direction, independent LogNormal magnitude."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.von_mises_fisher import VonMisesFisher

MAGNITUDE_FLOOR = (
    1e-4  # a silent frame has no direction and log 0 for a magnitude; in units of the data's RMS
)


@dataclass
class Polar:
    """delta = m d with d ~ vMF(mu, kappa) and m ~ LogNormal(location, scale).

    Attributes:
        direction_law: vMF over [..., d].
        location: E[log m], [...].
        scale: standard deviation of log m, [...]; bounded by whoever builds it, because E[m] = exp(location +
            scale^2 / 2) otherwise overflows in a rollout.
    """

    direction_law: VonMisesFisher
    location: Tensor
    scale: Tensor

    @property
    def kappa(self) -> Tensor:
        """Concentration of the direction, [...]."""
        return self.direction_law.kappa

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d] in R^d, nats: [...].

        With m = |delta|, d = delta / m: ``log LN(m) + log vMF(d) - (d - 1) log m``; the last term is the
        Jacobian of polar coordinates, without which the number cannot stand beside that of a density in R^d.
        """
        magnitude = delta.norm(dim=-1).clamp_min(MAGNITUDE_FLOOR)
        log_magnitude = magnitude.log()
        standardised = (log_magnitude - self.location) / self.scale
        log_normal = (
            -0.5 * standardised.square() - self.scale.log() - log_magnitude - 0.5 * math.log(2 * math.pi)
        )
        on_sphere = self.direction_law.log_prob(delta / magnitude.unsqueeze(-1))
        return log_normal + on_sphere - (delta.shape[-1] - 1) * log_magnitude

    def mean(self) -> Tensor:
        """E[delta] = exp(location + scale^2 / 2) A_d(kappa) mu, [..., d]."""
        return torch.exp(self.location + self.scale.square() / 2).unsqueeze(-1) * self.direction_law.mean()

    def mode(self) -> Tensor:
        """Median magnitude along mu, [..., d]. The density's own mode in R^d, exp(location - d scale^2), is
        useless.
        """
        return torch.exp(self.location).unsqueeze(-1) * self.direction_law.mu

    def direction(self) -> Tensor:
        """The unit vector of greatest expected cosine to delta, [..., d]."""
        return self.direction_law.mu

    def log_magnitude(self) -> Tensor:
        """E[log |delta|], [...]."""
        return self.location

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """delta [..., d] from standard normal noise [..., d + 1] and uniform noise [..., 2]."""
        magnitude = torch.exp(self.location + self.scale * normal[..., -1])
        return magnitude.unsqueeze(-1) * self.direction_law.sample(normal[..., :-1], uniform[..., 0])
