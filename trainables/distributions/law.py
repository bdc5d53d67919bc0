"""What a distribution of the next step answers, whatever its family."""

from __future__ import annotations

from typing import Protocol

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
