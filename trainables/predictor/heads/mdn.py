"""Mixture density head: hidden state -> mixture of diagonal Gaussians over delta."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainables.distributions.mixture import GaussianMixture
from trainables.predictor.heads.base import Head, Survey

_LOG_SCALE_BOUND = 6.0  # |log scale| stays below it: no component collapses on a frame or runs away


class MDNHead(Head):
    """``forward(h)``: h [..., H] -> :class:`GaussianMixture` with K components in R^D."""

    def __init__(self, width: int, dim: int, components: int) -> None:
        super().__init__()
        self.dim, self.components = dim, components
        self.weights = nn.Linear(width, components)
        self.means = nn.Linear(width, components * dim)
        self.scales = nn.Linear(width, components * dim)
        nn.init.zeros_(self.scales.weight)
        nn.init.normal_(self.means.bias, std=0.1)  # components must differ to part

    def forward(self, h: Tensor) -> GaussianMixture:
        """h [..., H] -> a mixture over [..., D]."""
        shape = (*h.shape[:-1], self.components, self.dim)
        return GaussianMixture(
            log_weights=torch.log_softmax(self.weights(h), -1),
            means=self.means(h).reshape(shape),
            log_scales=_LOG_SCALE_BOUND * torch.tanh(self.scales(h).reshape(shape) / _LOG_SCALE_BOUND),
        )

    def start_from(self, survey: Survey) -> None:
        """Begin with every scale at the step per dimension."""
        nn.init.constant_(self.scales.bias, math.log(survey.typical / math.sqrt(self.dim)))
