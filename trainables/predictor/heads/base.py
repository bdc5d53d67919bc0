"""What every head has: a law over delta from a hidden state, an objective, a prior, a start.

Shapes: H hidden units, D latent dimensions, K codes; [...] is any leading shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from trainables.distributions.gaussian_marginal import GaussianMarginal
from trainables.distributions.law import Law, LawNoise

AnyLaw = TypeVar("AnyLaw", bound=Law)


@dataclass(frozen=True)
class Whitening:
    """An affine map z -> L^-1 (z - mean) after which training frames have covariance I.

    Attributes:
        mean_D: the training frames' mean.
        factor_DD: L, the lower Cholesky factor of their covariance.
        inverse_DD: L^-1.
    """

    mean_D: Tensor
    factor_DD: Tensor
    inverse_DD: Tensor

    @classmethod
    def fit(cls, frames_ND: Tensor) -> Whitening:
        """The whitening of frames [N, D], in float64, with a covariance shrunk as that of a
        :class:`~trainables.distributions.gaussian_marginal.GaussianMarginal`.
        """
        density = GaussianMarginal.fit(frames_ND)
        identity = torch.eye(len(density.mean_D)).to(density.factor_DD)
        inverse_DD = torch.linalg.solve_triangular(density.factor_DD, identity, upper=False)
        return cls(density.mean_D, density.factor_DD, inverse_DD)


@dataclass(frozen=True)
class Survey:
    """What a head may know of the data before it is trained."""

    # Geometric mean of |delta|, exp E[log |delta|]; of whitened steps where there is a whitening, else in
    # units of the training RMS.
    typical: float
    # Unit directions that stand for those of all steps, where a head asks for them; likewise.
    codes_KD: Tensor | None = None
    # None where heads work in raw coordinates.
    whitening: Whitening | None = None
    # As ``typical``, of whitened frames themselves, where a head asks for it.
    typical_state: float = 1.0


class Head(nn.Module, Generic[AnyLaw]):
    """A module that maps hidden states [..., H] to a law over delta in R^D, and does nothing else."""

    # Where it is False, log_prob is no likelihood, and no figure is made of it.
    has_density = True
    # Where it is True, the objective draws on noise.
    needs_noise = False

    def forward(self, h: Tensor) -> AnyLaw:
        """The laws over [..., D] that hidden states ``h`` [..., H] predict."""
        raise TypeError(f"{type(self).__name__} does not say which law it predicts")

    def objective(self, law: AnyLaw, delta: Tensor, noise: LawNoise) -> Tensor:
        """What training brings down for true steps ``delta`` [..., D]: the NLL in nats per frame, [...].

        ``noise`` holds what a head that needs noise draws on.
        """
        return -law.log_prob(delta)

    def penalty(self, law: AnyLaw, lane: Mapping[str, Tensor]) -> Tensor:
        """Minus the log prior of a law's parameters, nats per frame: [...], or [] where there is none.

        ``lane`` holds the lane's settings of the prior, by name: [] each.
        """
        return lane["kappa_prior"].new_zeros(())

    def start_from(self, survey: Survey) -> None:
        """Set the head's first parameters by what a survey of the training data says."""


def bounded(x: Tensor, bound: float) -> Tensor:
    """Return about ``x`` where it is small, and never more than ``bound`` either way; smooth in between."""
    return bound * torch.tanh(x / bound)
