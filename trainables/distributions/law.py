"""What a distribution of the next step answers, whatever its family.

Shapes: D latent dimensions, M mixture components; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class LawNoise(NamedTuple):
    """The noise that one sample of a law is made of; it comes from outside, so that every lane has its own.

    Attributes:
        normal: standard normal, [..., D + 1]; the first D entries belong to the direction (or to delta
            itself), the next one to the magnitude. Those of a law with r factors follow: [..., D + 1 + r].
        uniform: uniform on (0, 1), [..., 2]; the first entry chooses a component, the second a cosine.
    """

    normal: Tensor
    uniform: Tensor

    def apply(self, change: Callable[[Tensor], Tensor]) -> LawNoise:
        """The noise with both of its tensors changed alike: sliced, repeated, moved to a device."""
        return LawNoise(change(self.normal), change(self.uniform))


class Law(Protocol):
    """A distribution of delta in R^D, one for every leading index [...]."""

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D] in R^D, nats: [...]."""

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D]."""

    def mode(self) -> Tensor:
        """A most typical step, [..., D]; each family says which."""

    def direction(self) -> Tensor:
        """The unit vector that the law points along, [..., D]."""

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...]."""

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D], differentiable in the law's parameters where the family allows."""

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """One sample of each mixture component: log weights [..., M] and deltas [..., M, D]; M = 1 for a law
        of one piece.
        """

    def tempered(self, temperature: float) -> Law:
        """The law whose density is this one's to the power 1 / temperature, normalised again.

        Raises:
            TypeError: the family has no such law.
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
        """The mean vector, E[x], [..., D]."""

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., D] from standard normal noise [..., D] and uniform noise in (0, 1) [...]."""


def one_piece(delta: Tensor) -> tuple[Tensor, Tensor]:
    """The branches of a law of one piece with a sample ``delta`` [..., D]: log weights [..., 1], all 0,
    and the sample as [..., 1, D].
    """
    return torch.zeros_like(delta[..., :1]), delta.unsqueeze(-2)


def mean_square(cosine_squared: Tensor, dim: int) -> Tensor:
    """E[t^2] of the cosine t between a direction and its mean one, [...], from E[t]^2.

    It is taken as E[t]^2 + (1 - E[t]^2) / D: exact where directions are uniform, and where they are certain.
    """
    return cosine_squared + (1 - cosine_squared) / dim


def log_norm(x: Tensor) -> Tensor:
    """Log length of vectors [..., D], [...]; a vector without one counts as 1e-12 long."""
    return x.norm(dim=-1).clamp_min(1e-12).log()


def choose_component(log_weights: Tensor, uniform: Tensor) -> Tensor:
    """Index of the component, [...], that uniform noise [...] falls on under log weights [..., M]."""
    cumulative = log_weights.exp().cumsum(-1)
    return (cumulative < uniform.unsqueeze(-1)).sum(-1).clamp_max(cumulative.shape[-1] - 1)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """The values of one component each, [..., D]: of ``values`` [..., M, D], those at ``index`` [...].

    The values may lack leading dimensions.
    """
    values = values.expand(*index.shape, *values.shape[-2:])
    chosen = index[..., None, None].expand(*index.shape, 1, values.shape[-1])
    return values.gather(-2, chosen).squeeze(-2)


def tempered_weights(log_weights: Tensor, temperature: float) -> Tensor:
    """Log weights [..., M] of a mixture whose weights are raised to 1 / temperature and normalised again."""
    return torch.log_softmax(log_weights / temperature, -1)
