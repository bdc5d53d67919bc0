"""Energy head: hidden state and noise -> a sample of delta, learnt by the energy score of a few samples (C.
Shao et al., Continuous autoregressive language models, 2025: noise into a small network of a few layers; Z.
Ma et al., SLED, 2025: two samples suffice, on continuous speech latents).

The energy score is strictly proper: its least mean is the truth's alone (T. Gneiting, A. E. Raftery, 2007).
The head makes no claim about a likelihood.

Shapes: H hidden units, D latent dimensions, S draws; [...] is any leading shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trainables.distributions.implicit import (
    MOST_PASSES,
    Implicit,
    draws_of,
    energy_of_draws,
    noise_probes,
)
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.base import Head, Survey, bounded
from trainables.predictor.linear import Linear

_LOG_SPREAD_BOUND = 3.0  # |log spread| stays below it
_BLOCKS = 2


class EnergyLaw(Implicit):
    """The law of ``scale`` times ``make(x)``, x ~ N(0, I)."""

    called = "an energy head"

    def __init__(
        self, make: Callable[[Tensor], Tensor], scale: Tensor, shape: Sequence[int], probes_SD: Tensor
    ) -> None:
        super().__init__(shape, probes_SD)
        self.make, self.scale = make, scale

    def carry(self, x: Tensor, most: int = MOST_PASSES) -> Tensor:
        """The steps [..., D] that noise ``x`` [..., D] comes to, in one pass."""
        return self.scale * self.make(x)


class EnergyHead(Head[EnergyLaw]):
    """A head that predicts an :class:`EnergyLaw` over delta in R^D.

    A sample is mean(h) + spread(h) x, to which a network of h and x adds: it begins near a Gaussian, whose
    spread no energy score has yet to find.
    """

    has_density = False
    needs_noise = True
    scale: Tensor
    probes_SD: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mean, self.spread = Linear(width, dim), Linear(width, dim)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self.context, self.inner = Linear(width, 2 * width), Linear(dim, 2 * width, bias=False)
        self.blocks = nn.ModuleList(_Block(2 * width) for _ in range(_BLOCKS))
        self.outer = Linear(2 * width, dim)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("probes_SD", noise_probes(dim))

    def forward(self, h: Tensor) -> EnergyLaw:
        """The laws over [..., D] that hidden states ``h`` [..., H] predict."""
        mean, context = self.mean(h), self.context(h)
        spread = torch.exp(bounded(self.spread(h), _LOG_SPREAD_BOUND))

        def make(x: Tensor) -> Tensor:
            inside = context + self.inner(x)
            for block in self.blocks:
                inside = inside + block(inside)
            return mean + spread * x + self.outer(torch.nn.functional.silu(inside))

        return EnergyLaw(make, self.scale, mean.shape, self.probes_SD)

    def objective(self, law: EnergyLaw, delta: Tensor, noise: LawNoise) -> Tensor:
        """The energy score, [...], in units of the data's step per dimension, of all draws that the noise
        holds. It is no NLL, and less than 0 by no more than chance.
        """
        return energy_of_draws(law.make(draws_of(noise, self.dim)), delta / law.scale)

    def start_from(self, survey: Survey) -> None:
        """Begin with samples as wide as the data's step per dimension."""
        self.scale.fill_(survey.typical / math.sqrt(self.dim))


class _Block(nn.Module):
    """A layer that adds to what it is given."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden, self.out = Linear(size, size), Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(torch.nn.functional.silu(self.hidden(x)))
        return out
