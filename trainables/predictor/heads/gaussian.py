"""Gaussian head: hidden state -> one Gaussian over delta, diagonal, isotropic or with a few factors.

Shapes: H hidden units, D latent dimensions, K components (1 here), r factors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainables.distributions.low_rank import LowRankMixture
from trainables.distributions.mixture import GaussianMixture
from trainables.predictor.heads.base import Head, Survey, bounded
from trainables.predictor.linear import Linear

_LOG_SCALE_BOUND = 6.0  # of log scale around the data's step: no component collapses on a frame
_LOADING_BOUND = 10.0  # of a factor's effect on a dimension, in units of the scale it has for itself


class GaussianHead(Head[GaussianMixture]):
    """A head that predicts a :class:`GaussianMixture` with one component in R^D."""

    log_step: Tensor

    def __init__(self, width: int, dim: int, covariance: str, components: int = 1, rank: int = 1) -> None:
        super().__init__()
        self.dim, self.components = dim, components
        self.means = Linear(width, components * dim)
        self.scales = Linear(width, components * (1 if covariance == "isotropic" else dim))
        nn.init.zeros_(self.scales.weight)
        nn.init.zeros_(self.scales.bias)
        nn.init.normal_(self.means.bias, std=0.1)  # components that begin alike would stay alike
        self.register_buffer("log_step", torch.zeros(()))
        self.loadings = Linear(width, components * dim * rank) if covariance == "low_rank" else None
        if self.loadings is not None:  # factors that begin at nothing would get no gradient
            nn.init.zeros_(self.loadings.weight)
            nn.init.normal_(self.loadings.bias, std=0.5 / math.sqrt(dim))

    def forward(self, h: Tensor) -> GaussianMixture:
        """The Gaussians over [..., D] that hidden states ``h`` [..., H] predict."""
        log_weights, (means, log_scales) = self.log_weights(h), self.pieces(h)
        if self.loadings is None:
            return GaussianMixture(log_weights, means, log_scales)
        loadings = bounded(self.loadings(h), _LOADING_BOUND).unflatten(-1, (self.components, self.dim, -1))
        return LowRankMixture(log_weights, means, log_scales, loadings)

    def log_weights(self, h: Tensor) -> Tensor:
        """Log weights of the components, [..., K]: all equal."""
        return h.new_full((*h.shape[:-1], self.components), -math.log(self.components))

    def pieces(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Means [..., K, D] and log scales [..., K, D or 1], both in units of the data's step."""
        step, shape = self.log_step.exp(), (self.components, -1)
        means = nn.functional.linear(step * h, self.means.weight, step * self.means.bias)
        relative = torch.tanh(self.scales(h) / _LOG_SCALE_BOUND)
        log_scales = torch.add(self.log_step, relative, alpha=_LOG_SCALE_BOUND)
        return means.unflatten(-1, shape), log_scales.unflatten(-1, shape)

    def start_from(self, survey: Survey) -> None:
        """Begin with every scale at the data's step per dimension."""
        self.log_step.fill_(math.log(survey.typical / math.sqrt(self.dim)))
