"""Polar densities on R^d whose direction and magnitude know of each other: von Mises-Fisher x LogNormal.

Shapes: d dimensions; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.distributions.bessel import vmf_log_growth, vmf_mean_resultant_length
from trainables.distributions.law import LawNoise
from trainables.distributions.polar import Polar, radial_log_prob, split
from trainables.distributions.von_mises_fisher import VonMisesFisher

_NODES, _WIDTHS = 21, 5.0  # of the quadrature over log m, and its half-width in standard deviations
_REACH = 4.0  # of log m around its location, beyond which kappa changes no more: a silent frame lies far out


@dataclass
class KappaOnMagnitude(Polar):
    """The concentration grows with the magnitude: log kappa(m) = log kappa + slope (log m - location).

    For N(c mu, s^2 I) the direction given the magnitude is exactly vMF with kappa = c m / s^2: slope 1.

    Attributes:
        direction_law: the law of directions at the median magnitude.
        slope: d log kappa / d log m, [...].
    """

    direction_law: VonMisesFisher
    slope: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d] in R^d, nats: [...]."""
        log_magnitude, direction = split(delta)
        on_sphere = self._given(log_magnitude).log_prob(direction)
        return on_sphere + radial_log_prob(log_magnitude, self.location, self.scale, delta.shape[-1])

    def mean(self) -> Tensor:
        """The mean step, E[delta] = E[m A_d(kappa(m))] mu, [..., d].

        Weighing by m shifts log m by scale^2; the rest is the trapezoid rule, which converges geometrically
        on a Gaussian.
        """
        nodes = torch.linspace(-_WIDTHS, _WIDTHS, _NODES, dtype=self.scale.dtype, device=self.scale.device)
        weights = torch.softmax(-nodes.square() / 2, -1)
        offset = self.scale.unsqueeze(-1) * (nodes + self.scale.unsqueeze(-1))
        kappa = self._kappa_at(offset, self.kappa.unsqueeze(-1), self.slope.unsqueeze(-1))
        length = (weights * vmf_mean_resultant_length(self.direction_law.dim, kappa)).sum(-1)
        return (torch.exp(self.location + self.scale.square() / 2) * length).unsqueeze(-1) * self.direction()

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d]: the magnitude first, then the direction given it."""
        log_magnitude = self.location + self.scale * noise.normal[..., -1]
        direction = self._given(log_magnitude).sample(noise.normal[..., :-1], noise.uniform[..., 1])
        return torch.exp(log_magnitude).unsqueeze(-1) * direction

    def _given(self, log_magnitude: Tensor) -> VonMisesFisher:
        kappa = self._kappa_at(log_magnitude - self.location, self.kappa, self.slope)
        return VonMisesFisher(self.direction_law.mu, kappa)

    @staticmethod
    def _kappa_at(offset: Tensor, kappa: Tensor, slope: Tensor) -> Tensor:
        return kappa * torch.exp(slope * (_REACH * torch.tanh(offset / _REACH)))


@dataclass
class MagnitudeOnDirection(Polar):
    """The magnitude leans towards some directions: E[log m | d] = location + lean.d.

    Attributes:
        direction_law: the law of the directions of all steps, whatever their magnitude.
        lean: d E[log m] / d direction, [..., d]; its length is bounded by whoever builds it, like the scale.
    """

    direction_law: VonMisesFisher
    lean: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., d] in R^d, nats: [...]."""
        log_magnitude, direction = split(delta)
        radial = radial_log_prob(log_magnitude, self._location_at(direction), self.scale, delta.shape[-1])
        return self.direction_law.log_prob(direction) + radial

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., d], by exponential tilting.

        With kappa mu + lean = kappa' mu' it is
        ``exp(location + scale^2 / 2) C_d(kappa) / C_d(kappa') A_d(kappa') mu'``.
        """
        mu, kappa, dim = self.direction_law.mu, self.kappa, self.direction_law.dim
        pull = kappa.unsqueeze(-1) * mu + self.lean
        tilted = pull.norm(dim=-1)
        # kappa' - kappa without the cancellation
        growth = (self.lean * (pull + kappa.unsqueeze(-1) * mu)).sum(-1) / (tilted + kappa).clamp_min(1e-12)
        log_ratio = growth + vmf_log_growth(dim, tilted) - vmf_log_growth(dim, kappa)
        size = torch.exp(self.location + self.scale.square() / 2 + log_ratio)
        length = size * vmf_mean_resultant_length(dim, tilted)
        return length.unsqueeze(-1) * torch.nn.functional.normalize(pull, dim=-1)

    def mode(self) -> Tensor:
        """The median magnitude of steps along mu, times mu: [..., d]."""
        return torch.exp(self._location_at(self.direction())).unsqueeze(-1) * self.direction()

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|] = location + A_d(kappa) lean.mu, [...]."""
        return self._location_at(self.direction_law.mean())

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., d]: the direction first, then the magnitude given it."""
        direction = self.direction_law.sample(noise.normal[..., :-1], noise.uniform[..., 1])
        magnitude = torch.exp(self._location_at(direction) + self.scale * noise.normal[..., -1])
        return magnitude.unsqueeze(-1) * direction

    def _location_at(self, direction: Tensor) -> Tensor:
        return self.location + (self.lean * direction).sum(-1)
