"""The law of noise that invertible coupling layers have carried (L. Dinh et al., "Density estimation using
Real NVP", 2017).

A layer moves half of the dimensions by a map that the other half chooses, so that noise is carried to a
sample and a step back to noise in one pass each. Pairs of layers move all dimensions once; every other pair
splits them into even and odd instead of first and last.

Shapes: D dimensions, N of them kept by a layer and D - N moved, S probes; [...] is any leading shape, one law
for each index of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from zuko.transforms import Transform

from trainables.distributions.law import LawNoise, log_norm, one_piece
from trainables.distributions.mixture import GaussianMixture

# Of the probes for one law; more of them at a time take memory, fewer take time.
_NUMBERS_AT_ONCE = 512

# What a layer does to the dimensions that it moves, [..., D - N], given those that it keeps, [..., N]; the
# dimensions before D are those of the law, with any number of others before them.
Coupling = Callable[[Tensor], Transform]


@dataclass
class CouplingFlow:
    """The law of location + scale * T(x), x ~ N(0, I), where T is one coupling layer after another.

    Attributes:
        location: [..., D].
        log_scales: [..., D].
        couplings: the layers, from noise to data.
        probes_SD: noise from which expectations without a closed form are taken; its mean is 0.
    """

    location: Tensor
    log_scales: Tensor
    couplings: Sequence[Coupling]
    probes_SD: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D], nats: [...]."""
        x = (delta - self.location) * torch.exp(-self.log_scales)
        log_volume = self.log_scales.sum(-1)
        for layer in reversed(range(len(self.couplings))):
            kept, moved = _split(x, layer)
            back, growth = self.couplings[layer](kept).inv.call_and_ladj(moved)
            x, log_volume = _join(kept, back, layer), log_volume - growth.sum(-1)
        return -0.5 * x.square().sum(-1) - x.shape[-1] / 2 * math.log(2 * math.pi) - log_volume

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D], over the fixed probes.

        It has no closed form. The probes come in pairs of opposite sign, so that all that is odd in the noise
        averages to exactly 0.
        """
        return self._expected(self._carry)

    def mode(self) -> Tensor:
        """The point that the layers carry the most probable noise to, x = 0: [..., D]."""
        return self._carry(torch.zeros_like(self.location))

    def direction(self) -> Tensor:
        """The mean's direction, [..., D]."""
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...].

        That of the Gaussian that the law would be without its layers, to second order, and over the fixed
        probes what they add to it.
        """

        def added(x: Tensor) -> Tensor:
            plain = self.location + self.log_scales.exp() * x
            return log_norm(self._carry(x)) - log_norm(plain)

        one = torch.zeros_like(self.location[..., :1])
        gaussian = GaussianMixture(one, self.location.unsqueeze(-2), self.log_scales.unsqueeze(-2))
        return gaussian.log_magnitude() + self._expected(added)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D], differentiable; the uniform noise is not used."""
        return self._carry(noise.normal[..., :-1])

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, D]."""
        return one_piece(self.sample(noise))

    def tempered(self, temperature: float) -> CouplingFlow:
        """Refuse: nobody knows the constant that a power of this density would have to be divided by.

        Raises:
            TypeError: always.
        """
        raise TypeError("a normalising flow cannot be heated or cooled; set temperature to 1")

    def _carry(self, x: Tensor) -> Tensor:
        """Carry ``x`` [..., D] from noise to data."""
        for layer, coupling in enumerate(self.couplings):
            kept, moved = _split(x, layer)
            x = _join(kept, coupling(kept)(moved), layer)
        return self.location + self.log_scales.exp() * x

    def _expected(self, value: Callable[[Tensor], Tensor]) -> Tensor:
        """The mean over the probes of a ``value`` of noise [P, ..., D], P of them at a time: [...]."""
        dim, ones = self.location.shape[-1], [1] * (self.location.dim() - 1)
        parts = self.probes_SD.split(max(1, _NUMBERS_AT_ONCE // dim))
        origin = torch.zeros_like(self.location)
        sums = [value(part.reshape(-1, *ones, dim) + origin).sum(0) for part in parts]
        return torch.stack(sums).sum(0) / len(self.probes_SD)


def sizes(dim: int, layer: int) -> tuple[int, int]:
    """How many of D dimensions a layer keeps and how many it moves, N and D - N."""
    return (dim - dim // 2, dim // 2) if layer % 2 == 0 else (dim // 2, dim - dim // 2)


def _split(x: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """The dimensions of ``x`` [..., D] that a layer keeps, and those that it moves."""
    first = (x.shape[-1] + 1) // 2
    halves = (x[..., ::2], x[..., 1::2]) if _alternates(layer) else (x[..., :first], x[..., first:])
    return halves if layer % 2 == 0 else halves[::-1]


def _join(kept: Tensor, moved: Tensor, layer: int) -> Tensor:
    """The inverse of :func:`_split`, [..., D]."""
    first, last = (kept, moved) if layer % 2 == 0 else (moved, kept)
    if not _alternates(layer):
        return torch.cat([first, last], -1)
    pairs = last.shape[-1]
    return torch.cat([torch.stack([first[..., :pairs], last], -1).flatten(-2), first[..., pairs:]], -1)


def _alternates(layer: int) -> bool:
    return layer // 2 % 2 == 1
