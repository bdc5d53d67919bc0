"""A density on R^d in polar form: a direction on the sphere and an independent LogNormal magnitude.

Shapes: d dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from trainables.distributions.law import DirectionLaw, LawNoise, one_piece

# A silent frame has no direction, and log 0 for a magnitude; in units of the data's RMS.
MAGNITUDE_FLOOR = 1e-4


@dataclass
class Polar:
    """The law of delta = m d, where d ~ a law of directions and m ~ LogNormal(location, scale).

    Attributes:
        direction_law: over unit vectors [..., d].
        location: E[log m], [...].
        scale: standard deviation of log m, [...]; bounded by whoever builds it, because E[m] = exp(location +
            scale^2 / 2) otherwise overflows in a rollout.
    """

    direction_law: DirectionLaw
    location: Tensor
    scale: Tensor

    @property
    def kappa(self) -> Tensor:
        """Concentration of the law of directions, [...]."""
        return self.direction_law.kappa

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d] in R^d, nats: [...]."""
        log_magnitude, direction = split(delta)
        on_sphere = self.direction_law.log_prob(direction)
        return on_sphere + radial_log_prob(log_magnitude, self.location, self.scale, delta.shape[-1])

    def mean(self) -> Tensor:
        """The mean step, E[delta] = exp(location + scale^2 / 2) E[d], [..., d]."""
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
        """The mean log magnitude, E[log |delta|], [...]."""
        return self.location

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d], differentiable in location, scale and the law of directions."""
        magnitude = torch.exp(self.location + self.scale * noise.normal[..., -1])
        direction = self.direction_law.sample(noise.normal[..., :-1], noise.uniform[..., 1])
        return magnitude.unsqueeze(-1) * direction

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, d]."""
        return one_piece(self.sample(noise))

    def tempered(self, temperature: float) -> Self:
        """The law with both of its densities raised to 1 / temperature and normalised again: kappa is divided
        by the temperature, the scale of log m multiplied by sqrt(temperature) around the same median.
        """
        # A protocol cannot say that it asks for dataclasses; every law of directions is one.
        law = replace(self.direction_law, kappa=self.kappa / temperature)  # type: ignore[type-var]
        return replace(self, direction_law=law, scale=self.scale * math.sqrt(temperature))


def split(delta: Tensor) -> tuple[Tensor, Tensor]:
    """Log magnitude [...] and direction [..., d] of ``delta`` [..., d].

    A magnitude below :data:`MAGNITUDE_FLOOR` counts as that, and leaves a direction shorter than 1.
    """
    magnitude = delta.norm(dim=-1).clamp_min(MAGNITUDE_FLOOR)
    return magnitude.log(), delta / magnitude.unsqueeze(-1)


def log_jacobian(delta: Tensor) -> Tensor:
    """Log Jacobian of polar coordinates at ``delta`` [..., d]: (d - 1) log |delta|, [...].

    It is the log volume in R^d that a unit of area on the unit sphere and of length along the ray takes up;
    |delta| has the floor that it has in a log density.
    """
    return (delta.shape[-1] - 1) * split(delta)[0]


def radial_log_prob(log_magnitude: Tensor, location: Tensor, scale: Tensor, dim: int) -> Tensor:
    """Log density of the magnitude as a part of one in R^d: log LogNormal(m) - (d - 1) log m, nats, [...].

    The second term is :func:`log_jacobian`, without which the number cannot stand beside that of a density in
    R^d.
    """
    standardised = (log_magnitude - location) / scale
    return -0.5 * (standardised.square() + math.log(2 * math.pi)) - scale.log() - dim * log_magnitude
