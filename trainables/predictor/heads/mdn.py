"""Mixture density head: hidden state -> mixture of Gaussians over delta, diagonal, isotropic
or with a few factors.

Shapes: H hidden units, D latent dimensions, K components.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.predictor.heads.gaussian import GaussianHead
from trainables.predictor.linear import Linear


class MDNHead(GaussianHead):
    """A head that predicts a :class:`GaussianMixture` with K components in R^D."""

    def __init__(self, width: int, dim: int, covariance: str, components: int, rank: int) -> None:
        super().__init__(width, dim, covariance, components, rank)
        self.weights = Linear(width, components)

    def log_weights(self, h: Tensor) -> Tensor:
        """Log weights of the components, [..., K]."""
        return torch.log_softmax(self.weights(h), -1)
