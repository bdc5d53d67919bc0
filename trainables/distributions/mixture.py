"""Mixtures on R^d: of Gaussians (C. M. Bishop, Mixture Density Networks, 1994), and of von Mises-Fisher
directions (A. Banerjee et al., Clustering on the Unit Hypersphere, 2005) under one LogNormal magnitude.

Shapes: K components, d dimensions; [...] is any leading shape, one mixture for each index of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from trainables.distributions.bessel import log_uniform_density, vmf_log_growth, vmf_mean_resultant_length
from trainables.distributions.law import LawNoise, choose_component, pick, tempered_weights
from trainables.distributions.polar import Polar, split
from trainables.distributions.von_mises_fisher import VonMisesFisher


@dataclass
class GaussianMixture:
    """A mixture of Gaussians, sum_k pi_k N(mean_k, diag(scale_k^2)).

    Attributes:
        log_weights: normalised, [..., K].
        means: [..., K, d].
        log_scales: [..., K, d], or [..., K, 1] where all dimensions have the same.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d], nats: [...]."""
        return torch.logsumexp(self._log_joint(delta), -1) - delta.shape[-1] / 2 * math.log(2 * math.pi)

    def responsibilities(self, delta: Tensor) -> Tensor:
        """Probability of each component given ``delta`` [..., d]: [..., K]."""
        return torch.softmax(self._log_joint(delta), -1)

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., d]."""
        return torch.matmul(self.log_weights.exp().unsqueeze(-2), self.means).squeeze(-2)

    def mode(self) -> Tensor:
        """The mean of the most probable component, [..., d]."""
        return pick(self.means, self.log_weights.argmax(-1))

    def direction(self) -> Tensor:
        """The mean's direction, [..., d]; a mixture has no closed form for the direction of greatest expected
        cosine.
        """
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...], to second order in the spread of |delta|^2.

        Within component k |delta|^2 has mean S and variance V in closed form, and E[log |delta|] = (log S - V
        / (2 S^2)) / 2 up to the third order (delta method); components are then averaged exactly.
        """
        squares, variances = self.means.square(), torch.exp(2 * self.log_scales)
        second = (squares + variances).sum(-1)
        spread = (2 * variances * (variances + 2 * squares)).sum(-1)
        within = 0.5 * (second.log() - 0.5 * spread / second.square())
        return (self.log_weights.exp() * within).sum(-1)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d], not differentiable in the weights."""
        chosen = choose_component(self.log_weights, noise.uniform[..., 0])
        return pick(self.means, chosen) + pick(self.log_scales, chosen).exp() * noise.normal[..., :-1]

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., K] and a sample of each component [..., K, d]."""
        return self.log_weights, self.means + self.log_scales.exp() * noise.normal[..., None, :-1]

    def tempered(self, temperature: float) -> GaussianMixture:
        """The mixture with weights and components raised to 1 / temperature and normalised again: scales are
        multiplied by sqrt(temperature). Towards 0 the mode alone is left.
        """
        log_scales = self.log_scales + 0.5 * math.log(temperature)
        log_weights = tempered_weights(self.log_weights, temperature)
        return replace(self, log_weights=log_weights, log_scales=log_scales)

    def _log_joint(self, delta: Tensor) -> Tensor:
        """Joint log density of each component and ``delta``, nats up to a constant: [..., K]."""
        standardised = (delta.unsqueeze(-2) - self.means) * torch.exp(-self.log_scales)
        log_volume = self.log_scales.sum(-1) * (delta.shape[-1] / self.log_scales.shape[-1])
        return self.log_weights + (-0.5 * standardised.square().sum(-1) - log_volume)


@dataclass
class DirectionMixture:
    """A mixture of directions, sum_k pi_k vMF(mu_k, kappa_k), on the unit sphere.

    Attributes:
        log_weights: normalised, [..., K].
        mus: unit vectors [..., K, d], or [K, d] where they are the same everywhere.
        kappa: concentrations [..., K], or [..., 1] where all components have the same.
    """

    log_weights: Tensor
    mus: Tensor
    kappa: Tensor

    @property
    def mu(self) -> Tensor:
        """The direction of greatest expected cosine, [..., d], which is the mean's."""
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density at unit vectors ``x`` [..., d], nats: [...]."""
        return torch.logsumexp(self._log_joint(x), -1) + log_uniform_density(x.shape[-1])

    def responsibilities(self, x: Tensor) -> Tensor:
        """Probability of each component given unit vectors ``x`` [..., d]: [..., K]."""
        return torch.softmax(self._log_joint(x), -1)

    def mean(self) -> Tensor:
        """The mean vector, E[x] = sum_k pi_k A_d(kappa_k) mu_k, [..., d]."""
        length = vmf_mean_resultant_length(self.mus.shape[-1], self.kappa)
        return torch.matmul((self.log_weights.exp() * length).unsqueeze(-2), self.mus).squeeze(-2)

    def sample(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """Unit vectors [..., d] from standard normal noise [..., d] and uniform noise [..., 2]."""
        chosen = choose_component(self.log_weights, uniform[..., 0])
        kappa = pick(self.kappa.expand_as(self.log_weights).unsqueeze(-1), chosen).squeeze(-1)
        return VonMisesFisher(pick(self.mus, chosen), kappa).sample(normal, uniform[..., 1])

    def each(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """A sample of each component, [..., K, d], from the same noise."""
        return VonMisesFisher(self.mus, self.kappa).sample(normal.unsqueeze(-2), uniform[..., 1:])

    def _log_joint(self, x: Tensor) -> Tensor:
        """Joint log density of each component and ``x``, nats up to a constant: [..., K]."""
        log_components = -vmf_log_growth(x.shape[-1], self.kappa) - self.kappa * self._complements(x)
        return self.log_weights + log_components

    def _complements(self, x: Tensor) -> Tensor:
        """One minus the cosine to each component's direction, 1 - mu_k.x: [..., K].

        Where directions are the same everywhere one matrix product serves, which costs float32 kappa times
        1e-7 nats; [..., K, d] differences would not fit into memory.
        """
        if self.mus.dim() == 2 and x.dim() > 1:
            return 1 - (x.flatten(0, -2) @ self.mus.mT).unflatten(0, x.shape[:-1])
        return (x.unsqueeze(-2) - self.mus).square().sum(-1) / 2


@dataclass
class PolarMixture(Polar):
    """A mixture of polar densities with one magnitude: delta = m d, d ~ :class:`DirectionMixture`."""

    direction_law: DirectionMixture

    @property
    def log_weights(self) -> Tensor:
        """Normalised log weights of the components, [..., K]."""
        return self.direction_law.log_weights

    def responsibilities(self, delta: Tensor) -> Tensor:
        """Probability of each component given ``delta`` [..., d]: [..., K]; the magnitude, which all have in
        common, says nothing of it.
        """
        return self.direction_law.responsibilities(split(delta)[1])

    def mode(self) -> Tensor:
        """Median magnitude along the most probable component's direction, [..., d]."""
        best = pick(self.direction_law.mus, self.direction_law.log_weights.argmax(-1))
        return torch.exp(self.location).unsqueeze(-1) * best

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d], not differentiable in the weights."""
        direction = self.direction_law.sample(noise.normal[..., :-1], noise.uniform)
        return self._magnitude(noise.normal).unsqueeze(-1) * direction

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., K] and a sample of each component [..., K, d], of one magnitude."""
        directions = self.direction_law.each(noise.normal[..., :-1], noise.uniform)
        return self.direction_law.log_weights, self._magnitude(noise.normal)[..., None, None] * directions

    def tempered(self, temperature: float) -> Self:
        """The mixture with each component tempered like a :class:`Polar` law, and its weights likewise."""
        log_weights = tempered_weights(self.log_weights, temperature)
        law = replace(self.direction_law, log_weights=log_weights)
        return Polar.tempered(replace(self, direction_law=law), temperature)

    def _magnitude(self, normal: Tensor) -> Tensor:
        return torch.exp(self.location + self.scale * normal[..., -1])
