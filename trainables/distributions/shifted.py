"""The law of a step whose end has a law: delta = y - o, where y is where a step leads and o where it starts.

Shapes: D dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainables.distributions.law import LawNoise, mean_square, one_piece
from trainables.distributions.polar import Polar


@dataclass
class Shifted:
    """The law of delta = y - o, where y has a polar law.

    Attributes:
        base: the law of y over [..., D].
        origin: o, [..., D].
    """

    base: Polar
    origin: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D] in R^D, nats: [...]."""
        return self.base.log_prob(delta + self.origin)

    def mean(self) -> Tensor:
        """The mean step, E[delta] = E[y] - o, [..., D]."""
        return self.base.mean() - self.origin

    def mode(self) -> Tensor:
        """The step to y's most typical value, [..., D]."""
        return self.base.mode() - self.origin

    def direction(self) -> Tensor:
        """The unit vector that the mean step points along, [..., D]."""
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...], to second order in the variance of |delta|^2.

        With y = r u, |delta|^2 = r^2 - 2 r (u . o) + |o|^2. Where u is symmetric about its mean direction,
        E[(u . o)^2] follows from E[t^2], t the cosine to that direction, which is that of
        :func:`~trainables.distributions.law.mean_square`.
        """
        mean_u, dim = self.base.direction_law.mean(), self.origin.shape[-1]
        # Moments of r: E[r^n] = exp(n location + n^2 scale^2 / 2).
        first, second, third, fourth = (
            torch.exp(n * self.base.location + n * n * self.base.scale.square() / 2) for n in (1, 2, 3, 4)
        )
        along = (mean_u * self.origin).sum(-1)
        length = self.origin.square().sum(-1)
        certain = mean_u.square().sum(-1)
        share = mean_square(certain, dim)
        on_axis = along.square() / certain.clamp_min(1e-12)
        squared = share * on_axis + (1 - share) / (dim - 1) * (length - on_axis).clamp_min(0)
        expected = second - 2 * first * along + length
        variance = (
            (fourth - second.square())
            + 4 * (second * squared - (first * along).square())
            - 4 * along * (third - second * first)
        )
        spread = (variance / expected.square().clamp_min(1e-30)).clamp(0, 1)
        return 0.5 * (expected.clamp_min(1e-30).log() - 0.5 * spread)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D]."""
        return self.base.sample(noise) - self.origin

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, D]."""
        return one_piece(self.sample(noise))

    def tempered(self, temperature: float) -> Shifted:
        """The law whose end is tempered as a polar law is."""
        return replace(self, base=self.base.tempered(temperature))
