"""What heads share that learn a way from Gaussian noise to delta: the exact way of a Gaussian, and a network
for what it misses; noise levels to learn at.

Times run from noise, t = 0, to data, t = 1.

Shapes: H hidden units, D latent dimensions, S noise levels; [...] is any leading shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainables.distributions.implicit import Implicit, draws_of, noise_probes
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.base import Head, Survey, bounded
from trainables.predictor.linear import Linear

AnyImplicit = TypeVar("AnyImplicit", bound=Implicit)
# What a network adds at a point x [..., D], told some times [..., 1]: [..., D].
Network = Callable[..., Tensor]

_RATES = 4  # cosines that tell the network a time
_LOG_SPREAD_BOUND = 3.0  # |log spread| stays below it
# Of the log odds of data against noise. A model of speech latents has them (S. Rouard et al.,
# Continuous audio language models, 2025), and so has MeanFlow, with time the other way round.
_LOGIT_MEAN, _LOGIT_SPREAD = 0.4, 1.0


class Located(Implicit):
    """The law of ``scale`` times what noise is led to in so many steps, and whose mean is ``location``.

    ``field`` says where a point goes, told its times.
    """

    def __init__(
        self, field: Network, location: Tensor, scale: Tensor, probes_SD: Tensor, steps: int
    ) -> None:
        super().__init__(location.shape, probes_SD)
        self.field, self.location, self.scale, self.steps = field, location, scale, steps

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D]."""
        return self.scale * self.location

    def half_squared(self, error: Tensor, data: Tensor) -> Tensor:
        """Half of the squared length, [...], of errors of the field [S, ..., D], mean over levels, and once
        more in pure noise, where it is that of the mean of ``data`` [..., D].
        """
        return half_squared(error) + 0.5 * (self.location - data).square().sum(-1) / len(error)


class DenoisingHead(Head[AnyImplicit]):
    """A head that starts from the Gaussian N(mean(h), spread(h)^2 I) of delta / scale; what that misses is a
    network's.
    """

    has_density = False
    needs_noise = True
    scale: Tensor
    probes_SD: Tensor

    def __init__(self, width: int, dim: int, noise_law: str, steps: int, times: int = 1) -> None:
        """Make the layers.

        Args:
            width: of hidden states.
            dim: of delta.
            noise_law: where noise levels come from, "uniform" or "logit_normal".
            steps: from noise to a sample.
            times: how many times the network is told.
        """
        super().__init__()
        self.noise_law, self.steps = noise_law, steps
        self.mean, self.spread = Linear(width, dim), Linear(width, 1)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self.context = Linear(width, 2 * width)
        self.inner = Linear(dim + times * _RATES, 2 * width, bias=False)
        self.outer = nn.Sequential(nn.SiLU(), Linear(2 * width, 2 * width), nn.SiLU(), Linear(2 * width, dim))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("probes_SD", noise_probes(dim))

    def pieces(self, h: Tensor) -> tuple[Tensor, Tensor, Network]:
        """The Gaussian's mean [..., D] and variance [..., 1], and the network, for hidden states [..., H]."""
        mean, context = self.mean(h), self.context(h)
        variance = torch.exp(2 * bounded(self.spread(h), _LOG_SPREAD_BOUND))

        def network(x: Tensor, *times: Tensor) -> Tensor:
            inner = self.inner(torch.cat([x, *(_cosines(time) for time in times)], -1))
            added: Tensor = self.outer(context + inner)
            return added

        return mean, variance, network

    def levels(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """What a frame is learnt at: noise [S, ..., D], and times [S, ..., 1].

        ``noise.normal`` holds as many draws as there are levels; ``noise.uniform[..., 0]`` places the levels,
        evenly spread over their law.
        """
        starts = draws_of(noise, self.mean.out_features)
        time = evenly_spread(noise.uniform[..., :1], len(starts))
        return starts, time if self.noise_law == "uniform" else logit_normal(time)

    def start_from(self, survey: Survey) -> None:
        """Begin with noise as wide as the data's step per dimension."""
        self.scale.fill_(survey.typical / math.sqrt(self.mean.out_features))


def evenly_spread(uniform: Tensor, count: int) -> Tensor:
    """``count`` numbers of (0, 1), [S, ...], for each uniform one [...]: itself and others at equal distances
    round the unit circle, each uniform by itself (D. P. Kingma et al., Variational diffusion models, 2021).
    """
    if count == 1:
        return uniform.unsqueeze(0)
    steps = torch.arange(count, device=uniform.device, dtype=uniform.dtype) / count
    return (uniform.unsqueeze(0) + steps.reshape(-1, *[1] * uniform.dim())).frac()


def logit_normal(uniform: Tensor) -> Tensor:
    """Times whose log odds are normal, from uniform ones."""
    normal = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6))
    return torch.sigmoid(_LOGIT_MEAN + _LOGIT_SPREAD * normal)


def half_squared(error: Tensor) -> Tensor:
    """Half of the squared length of errors [S, ..., D], mean over levels: [...]."""
    return 0.5 * error.square().sum(-1).mean(0)


def _cosines(time: Tensor) -> Tensor:
    return torch.cos(math.pi * time * torch.arange(_RATES, device=time.device, dtype=time.dtype))
