"""A law behind a linear map: delta = C y, where y has a law that is easier to learn.

Shapes: D dimensions, M mixture components; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.distributions.implicit import Implicit
from trainables.distributions.law import Law, LawNoise, log_norm, mean_square
from trainables.distributions.polar import Polar


class LinearMap(NamedTuple):
    """An invertible linear map y -> C y of R^D.

    Attributes:
        forward_DD: C.
        inverse_DD: its inverse.
        log_volume: log |det C|, [].
        probes: noise of the few samples by which expectations without a closed form are taken, with a leading
            dimension of samples.
    """

    forward_DD: Tensor
    inverse_DD: Tensor
    log_volume: Tensor
    probes: LawNoise

    def apply(self, y: Tensor) -> Tensor:
        """C y for vectors [..., D]."""
        return y @ self.forward_DD.mT

    def invert(self, delta: Tensor) -> Tensor:
        """The y of delta = C y, for vectors [..., D]."""
        return delta @ self.inverse_DD.mT


@dataclass
class Mapped:
    """The law of delta = C y, where y has the law ``base``.

    Attributes:
        base: the law of y over [..., D].
        map: C and its inverse.
    """

    base: Law
    map: LinearMap

    def log_prob(self, delta: Tensor) -> Tensor:
        """Log density of ``delta`` [..., D] in R^D, nats: [...]."""
        return self.base.log_prob(self.map.invert(delta)) - self.map.log_volume

    def mean(self) -> Tensor:
        """The mean step, E[delta] = C E[y], [..., D]."""
        return self.map.apply(self.base.mean())

    def mode(self) -> Tensor:
        """The image of y's most typical value, [..., D]; of polar laws its direction, with a typical length.

        A broad law's most typical direction is far from where most of its mass is, and a map may stretch it
        far more: the image of a typical y is then many times longer than a typical image.
        """
        y = self.base.mode()
        return self._polar_mode(y, self.base) if isinstance(self.base, Polar) else self.map.apply(y)

    def _polar_mode(self, y: Tensor, base: Polar) -> Tensor:
        """The direction of C y and the root mean square of |C d| times |y|, for directions d about that of y.

        With t = d.u, E[d d^T] = s u u^T + (1 - s) / (D - 1) (I - u u^T) where d is symmetric about u, and s =
        E[t^2] is that of :func:`~trainables.distributions.law.mean_square`.
        """
        length = y.norm(dim=-1).clamp_min(1e-30)
        unit = y / length.unsqueeze(-1)
        squared = (base.direction_law.mean() * unit).sum(-1).square()
        dim = y.shape[-1]
        share = mean_square(squared, dim)
        image = self.map.apply(unit)
        along, total = image.square().sum(-1), self.map.forward_DD.square().sum()
        stretch = (share * along + (1 - share) / (dim - 1) * (total - along)).sqrt()
        return (length * stretch).unsqueeze(-1) * torch.nn.functional.normalize(image, dim=-1)

    def direction(self) -> Tensor:
        """The direction of the image of the direction that y points along, [..., D]."""
        return torch.nn.functional.normalize(self.map.apply(self.base.direction()), dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...].

        It is E[log |y|], which the law of y knows, plus E[log(|C y| / |y|)], averaged over a few draws of y
        from noise that is the same for every law: the second varies far less than a magnitude does. A law
        that is known by its samples alone takes both from the same ones.
        """
        if isinstance(self.base, Implicit):
            return self.base.log_magnitude(self.map.apply)
        known = self.base.log_magnitude()
        draw = self._polar_draw if isinstance(self.base, Polar) else self._draw
        stretch = torch.zeros_like(known)
        for normal, uniform in zip(*self.map.probes, strict=True):
            y = draw(normal.expand(*known.shape, -1), uniform.expand(*known.shape, -1))
            stretch = stretch + log_norm(self.map.apply(y)) - log_norm(y)
        return known + stretch / len(self.map.probes.normal)

    def _draw(self, normal: Tensor, uniform: Tensor) -> Tensor:
        return self.base.sample(LawNoise(normal, uniform))

    def _polar_draw(self, normal: Tensor, uniform: Tensor) -> Tensor:
        """A unit vector as far from the mean direction as those of the law are on average: in many dimensions
        all of them are about as far, and the exact draw takes ten times as long.
        """
        assert isinstance(self.base, Polar)
        mean = self.base.direction_law.mean()
        cosine = mean.norm(dim=-1, keepdim=True).clamp(1e-12, 1)
        mu, noise = mean / cosine, normal[..., : mean.shape[-1]]
        across = torch.nn.functional.normalize(noise - (noise * mu).sum(-1, keepdim=True) * mu, dim=-1)
        return cosine * mu + (1 - cosine.square()).clamp_min(0).sqrt() * across

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D]."""
        return self.map.apply(self.base.sample(noise))

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """One sample of each mixture component: log weights [..., M] and deltas [..., M, D]."""
        log_weights, y = self.base.branches(noise)
        return log_weights, self.map.apply(y)

    def tempered(self, temperature: float) -> Mapped:
        """The law whose density is this one's to the power 1 / temperature: a power of a density goes through
        a linear map unchanged, and so does what a law without a density has instead.

        Raises:
            TypeError: the law of y has no such law.
        """
        return replace(self, base=self.base.tempered(temperature))


def unmapped(law: Law, delta: Tensor) -> tuple[Law, Tensor]:
    """The law before its map, and where steps ``delta`` [..., D] lie there; a law without a map as it is.

    The share of a mixture's component in a step is the same before and after the map.
    """
    return (law.base, law.map.invert(delta)) if isinstance(law, Mapped) else (law, delta)


def probes(dim: int, factors: int = 0, pairs: int = 8) -> LawNoise:
    """Noise of a few samples, evenly spread: normal [S, D + 1 + ``factors``] and uniform [S, 2], S = 2
    ``pairs``.

    Each sample has one of opposite sign; the others are orthogonal as far as D allows, and the uniform noise
    is stratified. At D = 64 the mean over 16 of them is within 0.04 of an expected log stretch, and most of
    that is the same for every law.
    """
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(pairs, dim + 1, generator=generator)
    rows = min(pairs, dim)
    orthogonal_DR, _ = torch.linalg.qr(normal[:rows, :dim].mT)
    normal[:rows, :dim] = dim**0.5 * orthogonal_DR.mT
    order = torch.stack([torch.randperm(pairs, generator=generator) for _ in range(2)], 1)
    uniform = (order + torch.rand(pairs, 2, generator=generator)) / (2 * pairs)
    normal = torch.cat([normal, torch.randn(pairs, factors, generator=generator)], -1)
    return LawNoise(torch.cat([normal, -normal]), torch.cat([uniform, 1 - uniform]))
