"""What a distribution of the next step answers, whatever its family."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Law(Protocol):
    """A distribution of delta in R^D, one for every leading index [...].

    Noise comes from outside, so that every lane can have its own: standard normal [..., D + 1], of which the
    first D entries belong to the direction (or to delta itself) and the last one to the magnitude, and
    uniform on (0, 1) [..., 2], of which the first entry chooses a component and the second a cosine.
    """

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D] in R^D, nats: [...]."""

    def mean(self) -> Tensor:
        """E[delta], [..., D]."""

    def mode(self) -> Tensor:
        """A most typical step, [..., D]; each family says which."""

    def direction(self) -> Tensor:
        """The unit vector that the law points along, [..., D]."""

    def log_magnitude(self) -> Tensor:
        """E[log |delta|], [...]."""

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """delta [..., D], differentiable in the law's parameters where the family allows."""

    def branches(self, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """One sample of each mixture component: log weights [..., M] and deltas [..., M, D]; M = 1 for a law
        of one piece.
        """


class DirectionLaw(Protocol):
    """A distribution of unit vectors in R^D, one for every leading index [...]."""

    @property
    def mu(self) -> Tensor:
        """The unit vector of greatest expected cosine, [..., D]."""

    @property
    def kappa(self) -> Tensor:
        """Concentrations, [...]."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density at unit vectors ``x`` [..., D] with respect to the sphere's area, nats: [...]."""

    def mean(self) -> Tensor:
        """E[x], [..., D]."""

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., D] from standard normal noise [..., D] and uniform noise in (0, 1) [...]."""


def choose_component(log_weights: Tensor, uniform: Tensor) -> Tensor:
    """The component that uniform noise [...] falls on under log weights [..., M]: [...]."""
    cumulative = log_weights.exp().cumsum(-1)
    return (cumulative < uniform.unsqueeze(-1)).sum(-1).clamp_max(cumulative.shape[-1] - 1)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """``values`` [..., M, d] of the components ``index`` [...]: [..., d].

    The values may lack leading dimensions.
    """
    values = values.expand(*index.shape, *values.shape[-2:])
    chosen = index[..., None, None].expand(*index.shape, 1, values.shape[-1])
    return values.gather(-2, chosen).squeeze(-2)


def heated(log_weights: Tensor, temperature: float) -> Tensor:
    """The weights [..., M] to the power 1 / temperature, normalised again; logarithms both."""
    return torch.log_softmax(log_weights / temperature, -1)
