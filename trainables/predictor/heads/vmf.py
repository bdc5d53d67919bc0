"""Polar head: hidden state -> von Mises-Fisher direction x LogNormal magnitude over delta (document, section
2.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainables.distributions.polar import Polar
from trainables.distributions.von_mises_fisher import VonMisesFisher
from trainables.predictor.heads.base import Head, Survey

_LOG_RATIO_BOUND = 8.0  # |log(kappa / D)| stays below it
_LOG_MAGNITUDE_BOUND = 8.0  # of log m around the data's typical step
# Of the standard deviation of log m; without the upper bound E[m] overflows in a rollout.
_SCALE_RANGE = (0.02, 1.5)


class VMFHead(Head):
    """``forward(h)``: h [..., H] -> :class:`Polar` over delta in R^D."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mu = nn.Linear(width, dim)
        self.kappa = nn.Linear(width, 1)
        self.magnitude = nn.Linear(width, 2)
        nn.init.zeros_(self.kappa.weight)
        nn.init.zeros_(self.kappa.bias)
        nn.init.zeros_(self.magnitude.weight)
        nn.init.zeros_(self.magnitude.bias)
        self.register_buffer("log_typical", torch.zeros(()))

    def forward(self, h: Tensor) -> Polar:
        """h [..., H] -> a polar density over [..., D]."""
        mu = nn.functional.normalize(self.mu(h), dim=-1)
        kappa = self.dim * torch.exp(_bounded(self.kappa(h).squeeze(-1), _LOG_RATIO_BOUND))
        location, raw_scale = self.magnitude(h).unbind(-1)
        low, high = _SCALE_RANGE
        return Polar(
            direction_law=VonMisesFisher(mu, kappa),
            location=self.log_typical + _bounded(location, _LOG_MAGNITUDE_BOUND),
            scale=low + (high - low) * torch.sigmoid(raw_scale - 1),
        )

    def penalty(self, distribution: Polar, lane: Mapping[str, Tensor]) -> Tensor:
        """Minus log of a LogNormal prior on kappa / D of median ``kappa_prior_ratio`` and unit width, times
        its weight.
        """
        offset = torch.log(distribution.kappa / self.dim) - torch.log(lane["kappa_prior_ratio"])
        return lane["kappa_prior"] * 0.5 * offset.square()

    def start_from(self, survey: Survey) -> None:
        """Begin with the data's typical |delta|."""
        self.log_typical.fill_(math.log(survey.typical))


def _bounded(x: Tensor, bound: float) -> Tensor:
    return bound * torch.tanh(x / bound)
