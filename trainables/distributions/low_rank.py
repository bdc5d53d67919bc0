"""Mixtures of Gaussians on R^d whose covariances are diagonal but for a few factors that dimensions share.

A density costs O(K d r) and a covariance is never formed: by Woodbury's identity and the matrix determinant
lemma all that is solved has r rows (W. W. Hager, Updating the inverse of a matrix, 1989).

Shapes: K components, d dimensions, r factors; [...] is any leading shape, one mixture for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.law import LawNoise, choose_component, pick
from trainables.distributions.mixture import GaussianMixture


@dataclass
class LowRankMixture(GaussianMixture):
    """A mixture of Gaussians, sum_k pi_k N(mean_k, S_k (I + V_k V_k^T) S_k), S_k = diag(scale_k).

    Attributes:
        log_weights: normalised, [..., K].
        means: [..., K, d].
        log_scales: of what each dimension has for itself, [..., K, d].
        loadings: V, what each factor gives each dimension in units of that scale, [..., K, d, r].
    """

    loadings: Tensor

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...], to second order in the spread of |delta|^2.

        As of a :class:`GaussianMixture`; |delta|^2 has mean |m|^2 + tr C and variance 2 tr C^2 + 4 m^T C m.
        """
        scales = self.log_scales.exp()
        factors = scales.unsqueeze(-1) * self.loadings
        own, shared = scales.square(), factors.square().sum(-1)
        second = (self.means.square() + own + shared).sum(-1)
        squared = (own * (own + 2 * shared)).sum(-1) + (factors.mT @ factors).square().sum((-2, -1))
        across = (own * self.means.square()).sum(-1) + _combine(factors.mT, self.means).square().sum(-1)
        within = 0.5 * (second.log() - (squared + 2 * across) / second.square())
        return (self.log_weights.exp() * within).sum(-1)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d], not differentiable in the weights."""
        return pick(self._drawn(noise), choose_component(self.log_weights, noise.uniform[..., 0]))

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., K] and a sample of each component [..., K, d]."""
        return self.log_weights, self._drawn(noise)

    def _drawn(self, noise: LawNoise) -> Tensor:
        """A sample of each component, [..., K, d]."""
        dim = self.means.shape[-1]
        own, factors = noise.normal[..., None, :dim], noise.normal[..., None, dim + 1 :]
        return self.means + self.log_scales.exp() * (own + _combine(self.loadings, factors))

    def _log_joint(self, delta: Tensor) -> Tensor:
        """Joint log density of each component and ``delta``, nats up to a constant: [..., K]."""
        standardised = (delta.unsqueeze(-2) - self.means) * torch.exp(-self.log_scales)
        log_volume, shares = _explained(self.loadings, standardised)
        # What the best shares of the factors leave, and these shares: sums of squares, which do not cancel.
        left = standardised - _combine(self.loadings, shares)
        distance = left.square().sum(-1) + shares.square().sum(-1)
        return self.log_weights + (-0.5 * distance - log_volume - self.log_scales.sum(-1))


def _combine(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix * vector.unsqueeze(-2)).sum(-1)


def _explained(loadings: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Half of log det(I + V^T V), [..., K], and (I + V^T V)^-1 V^T x, [..., K, r], for V [..., K, d, r] and x
    [..., K, d].

    Cholesky's elimination in tensor operations: a library's would ask the host whether it succeeded, where no
    pivot is below 1.
    """
    rank = loadings.shape[-1]
    along = _combine(loadings.mT, x)
    inner = torch.eye(rank, dtype=x.dtype, device=x.device) + loadings.mT @ loadings
    rest = torch.cat([inner.expand(*along.shape, rank), along.unsqueeze(-1)], -1)
    rows, log_volume = [], torch.zeros_like(x[..., 0])
    for _ in range(rank):
        pivot = rest[..., 0, 0]
        log_volume = log_volume + 0.5 * pivot.log()
        rows.append(rest[..., 0, 1:] / pivot.unsqueeze(-1))  # of the unit triangle, and its right-hand side
        rest = rest[..., 1:, 1:] - rest[..., 1:, :1] * rows[-1].unsqueeze(-2)
    shares: list[Tensor] = []
    for row in reversed(rows):
        known = torch.stack(shares, -1) if shares else row[..., :0]
        shares.insert(0, row[..., -1] - (row[..., :-1] * known).sum(-1))
    return log_volume, torch.stack(shares, -1)
