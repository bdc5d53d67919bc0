"""Mixtures of diagonal Gaussians in R^d (C. M. Bishop, Mixture Density Networks, 1994)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class GaussianMixture:
    """sum_k pi_k N(mean_k, diag(scale_k^2)).

    Attributes:
        log_weights: normalised, [..., K].
        means: [..., K, d].
        log_scales: [..., K, d].
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d], nats: [...]."""
        standardised = (delta.unsqueeze(-2) - self.means) * torch.exp(-self.log_scales)
        dim = delta.shape[-1]
        log_components = (
            -0.5 * standardised.square().sum(-1) - self.log_scales.sum(-1) - dim / 2 * math.log(2 * math.pi)
        )
        return torch.logsumexp(self.log_weights + log_components, -1)

    def mean(self) -> Tensor:
        """E[delta], [..., d]."""
        return (self.log_weights.exp().unsqueeze(-1) * self.means).sum(-2)

    def mode(self) -> Tensor:
        """The mean of the most probable component, [..., d]."""
        return self._component(self.log_weights.argmax(-1), self.means)

    def direction(self) -> Tensor:
        """The mean's direction, [..., d]; a mixture has no closed form for the direction of greatest expected
        cosine.
        """
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self) -> Tensor:
        """E[log |delta|], [...], to second order in the spread of |delta|^2 within each component.

        Within component k |delta|^2 has mean S and variance V in closed form, and E[log |delta|] = (log S - V
        / (2 S^2)) / 2 up to the third order (delta method); components are then averaged exactly.
        """
        variances = torch.exp(2 * self.log_scales)
        second = (self.means.square() + variances).sum(-1)
        spread = (2 * variances.square() + 4 * variances * self.means.square()).sum(-1)
        within = 0.5 * (second.log() - 0.5 * spread / second.square())
        return (self.log_weights.exp() * within).sum(-1)

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """delta [..., d] from standard normal noise [..., d + 1] and uniform noise [..., 2]."""
        cumulative = self.log_weights.exp().cumsum(-1)
        chosen = (cumulative < uniform[..., :1]).sum(-1).clamp_max(cumulative.shape[-1] - 1)
        mean, log_scale = self._component(chosen, self.means), self._component(chosen, self.log_scales)
        return mean + log_scale.exp() * normal[..., :-1]

    @staticmethod
    def _component(index: Tensor, values: Tensor) -> Tensor:
        chosen = index.unsqueeze(-1) == torch.arange(values.shape[-2], device=values.device)
        return (chosen.unsqueeze(-1) * values).sum(-2)
