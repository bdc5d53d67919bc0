"""Laws that are known by their samples alone: noise goes in, a step comes out, and no density is claimed.

Shapes: D latent dimensions, S probes or draws; [...] is any leading shape, one law for each index of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from typing import Self

import torch
from torch import Tensor

from trainables.distributions.law import LawNoise, log_norm, one_piece

MOST_PASSES = 1 << 10  # of a solver: no bound
_PROBE_PASSES = 4  # behind E[log |delta|]


class Implicit:
    """The law of what :meth:`carry` makes of x ~ N(0, I), or of N(0, T I) at the temperature T."""

    called = "a law known by its samples"
    noise_scale = 1.0

    def __init__(self, shape: Sequence[int], probes_SD: Tensor) -> None:
        """Be a law of steps.

        Args:
            shape: of a sample of the law, [..., D].
            probes_SD: noise from which expectations without a closed form are taken; its mean is 0.
        """
        self.shape, self.probes_SD = torch.Size(shape), probes_SD

    def carry(self, x: Tensor, most: int = MOST_PASSES) -> Tensor:
        """The steps [..., D] that noise ``x`` [..., D] comes to, by at most so many steps of a solver.

        The dimensions before D are those of the law, with any number of others before them.
        """
        raise TypeError(f"{type(self).__name__} does not say where it carries noise to")

    def log_prob(self, delta: Tensor) -> Tensor:
        """Refuse: there is no likelihood.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.called} has no density; compare it by its samples instead")

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D], over the fixed probes where nothing better is known."""
        return self.carry(self._probes()).mean(0)

    def mode(self) -> Tensor:
        """The step that the most probable noise comes to, x = 0: [..., D]."""
        return self.carry(self._origin())

    def direction(self) -> Tensor:
        """The mean's direction, [..., D]."""
        return torch.nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self, image: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The mean log magnitude, E[log |delta|], or that of an ``image`` of delta, [...], over the probes.

        They are carried one after the other: of all at once no intermediate result would fit a cache.
        """
        origin = self._origin()
        total = torch.zeros_like(origin[..., 0])
        for probe_D in self.probes_SD:
            delta = self.carry(probe_D + origin, _PROBE_PASSES)
            total = total + log_norm(delta if image is None else image(delta))
        return total / len(self.probes_SD)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D], differentiable; the uniform noise is not used."""
        return self.carry(self.noise_scale * noise.normal[..., : self.shape[-1]])

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, D]."""
        return one_piece(self.sample(noise))

    def tempered(self, temperature: float) -> Self:
        """The same law from noise whose variance is ``temperature`` times as large.

        Of a Gaussian that is the density to the power 1 / temperature; of another law it is the usual rule of
        generative flows (D. P. Kingma, P. Dhariwal, Glow, 2018), since its density is not known.
        """
        cooled = copy(self)
        cooled.noise_scale = self.noise_scale * math.sqrt(temperature)
        return cooled

    def _origin(self) -> Tensor:
        return torch.zeros_like(self.probes_SD[0]).expand(self.shape)

    def _probes(self) -> Tensor:
        """The probes, [S, ..., D], for every law."""
        ones = [1] * (len(self.shape) - 1)
        return self.probes_SD.reshape(-1, *ones, self.shape[-1]) + self._origin()


def noise_probes(dim: int, pairs: int = 4) -> Tensor:
    """A few noise vectors [S, D], S = 2 ``pairs``, in pairs of opposite sign, whose mean log length is
    exactly that of all: (psi(D / 2) + log 2) / 2.
    """
    half_SD = torch.randn(pairs, dim, generator=torch.Generator().manual_seed(0))
    expected = 0.5 * (torch.digamma(torch.tensor(dim / 2)) + math.log(2))
    half_SD = half_SD * torch.exp(expected - half_SD.norm(dim=-1).log().mean())
    return torch.cat([half_SD, -half_SD])


def draws_of(noise: LawNoise, dim: int) -> Tensor:
    """All standard normal draws of a frame that noise holds, [S, ..., D]: the one that a sample takes, and
    the further ones that lie behind the D + 1 numbers of any law.
    """
    first, further = noise.normal[..., :dim], noise.normal[..., dim + 1 :]
    if not further.shape[-1]:
        return first.unsqueeze(0)
    return torch.cat([first.unsqueeze(0), further.unflatten(-1, (-1, dim)).movedim(-2, 0)])


def energy_of_draws(draws: Tensor, truth: Tensor) -> Tensor:
    """The energy score, [...], of a few draws [S, ..., D] for a ``truth`` [..., D], differentiable: E|X - x|
    - E|X - X'| / 2 in its fair form, whose mean does not depend on S (C. A. T. Ferro, 2014).
    """
    count = len(draws)
    apart = [(draws[i] - draws[j]).norm(dim=-1) for i in range(count) for j in range(i)]
    return (draws - truth).norm(dim=-1).mean(0) - torch.stack(apart).sum(0) / (count * (count - 1))
