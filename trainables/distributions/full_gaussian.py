"""Gaussians on R^D that share one full covariance.

Shapes: D dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.distributions.gaussian_marginal import gaussian_nll
from trainables.distributions.law import LawNoise


@dataclass
class FullGaussian:
    """The Gaussian N(location, L L^T).

    Attributes:
        location: means, [..., D].
        factor: L, [D, D], lower triangular, the same everywhere.
    """

    location: Tensor
    factor: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D], nats: [...]."""
        centred_ND = (delta - self.location).reshape(-1, delta.shape[-1])
        return -gaussian_nll(centred_ND, self.factor).reshape(delta.shape[:-1])

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D]."""
        return self.location

    def mode(self) -> Tensor:
        """The mean, [..., D]."""
        return self.location

    def direction(self) -> Tensor:
        """The mean's direction, [..., D]; 0 where the mean is 0."""
        return F.normalize(self.location, dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...], to second order in the spread of |delta|^2.

        The mean of |delta|^2 is |location|^2 + tr C, its variance 2 tr C^2 + 4 location^T C location.
        """
        covariance = self.factor @ self.factor.mT
        second = self.location.square().sum(-1) + self.factor.square().sum()
        across = (self.location @ self.factor).square().sum(-1)
        spread = 2 * covariance.square().sum() + 4 * across
        return 0.5 * (second.log() - 0.5 * spread / second.square())

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D], differentiable; the uniform noise is not used."""
        return self.location + noise.normal[..., :-1] @ self.factor.mT

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, D]."""
        delta = self.sample(noise)
        return torch.zeros_like(delta[..., :1]), delta.unsqueeze(-2)

    def tempered(self, temperature: float) -> FullGaussian:
        """The Gaussian whose density is this one's to the power 1 / temperature, normalised again."""
        return replace(self, factor=self.factor * math.sqrt(temperature))
