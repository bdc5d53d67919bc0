"""Flow-matching head: hidden state -> a flow from Gaussian noise to delta (Y. Lipman et al., "Flow Matching
for Generative Modeling", 2023; straight paths: X. Liu et al., "Flow Straight and Fast", 2023).

With x_t = (1 - t) x_0 + t x_1, x_0 ~ N(0, I) and x_1 = delta / scale, the velocity that minimises E |v(x_t,
t, h) - (x_1 - x_0)|^2 is E[x_1 - x_0 | x_t, h], and its flow carries x_0 to a sample of x_1. The head makes
no claim about a likelihood.

Shapes: H hidden units, D latent dimensions, S probes; [...] is any leading shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.distributions.law import LawNoise, log_norm, one_piece
from trainables.predictor.heads.base import Head, Survey, bounded
from trainables.predictor.linear import Linear

_STEPS = 8  # of the midpoint rule, from noise to data
_PROBES, _PROBE_STEPS = 8, 4  # noise vectors behind E[log |delta|], in pairs of opposite sign
_RATES = 4  # cosines that tell the network the time
_LOG_SPREAD_BOUND = 3.0  # |log spread| stays below it


@dataclass
class Flow:
    """The law of ``scale`` times x_1, where dx/dt = ``velocity(x, t)`` from x_0 ~ N(0, I) to x_1.

    Attributes:
        velocity: x [..., D] and t [..., 1] in [0, 1] -> [..., D]; the dimensions before D are those of the
            law, with any number of others before them.
        scale: the unit of x, [].
        shape: shape of a sample of the law, [..., D].
        probes_SD: noise from which expectations without a closed form are taken.
    """

    velocity: Callable[[Tensor, Tensor], Tensor]
    scale: Tensor
    shape: torch.Size
    probes_SD: Tensor

    def log_prob(self, delta: Tensor) -> Tensor:
        """Refuse: a flow has no likelihood.

        Raises:
            TypeError: always.
        """
        raise TypeError("a flow-matching head has no density; compare it by its samples instead")

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D].

        At t = 0 the best velocity is E[x_1] - x_0, whatever x_0; here x_0 = 0.
        """
        origin = self._origin()
        return self.scale * self.velocity(origin, torch.zeros_like(origin[..., :1]))

    def mode(self) -> Tensor:
        """The point that the flow carries the most probable noise to, x_0 = 0: [..., D]."""
        return self._carry(self._origin())

    def direction(self) -> Tensor:
        """The mean's direction, [..., D]."""
        return nn.functional.normalize(self.mean(), dim=-1)

    def log_magnitude(self) -> Tensor:
        """The mean log magnitude, E[log |delta|], [...], over the fixed probes."""
        ones = [1] * (len(self.shape) - 1)
        noise = self.probes_SD.reshape(-1, *ones, self.shape[-1]) + self._origin()
        return log_norm(self._carry(noise, _PROBE_STEPS)).mean(0)

    def sample(self, noise: LawNoise) -> Tensor:
        """A sample of delta, [..., D], differentiable; the uniform noise is not used."""
        return self._carry(noise.normal[..., :-1])

    def branches(self, noise: LawNoise) -> tuple[Tensor, Tensor]:
        """Log weights [..., 1] of the one piece, all 0, and a sample of it, [..., 1, D]."""
        return one_piece(self.sample(noise))

    def tempered(self, temperature: float) -> Flow:
        """Refuse: a density that is not known cannot be raised to a power.

        Raises:
            TypeError: always.
        """
        raise TypeError("a flow-matching head cannot be heated or cooled; set temperature to 1")

    def _origin(self) -> Tensor:
        return torch.zeros_like(self.probes_SD[0]).expand(self.shape)

    def _carry(self, x: Tensor, steps: int = _STEPS) -> Tensor:
        """Carry ``x`` [..., D] from noise to data by the midpoint rule, and give it the unit of delta."""
        for step in range(steps):
            time = torch.full_like(x[..., :1], step / steps)
            half = x + self.velocity(x, time) / (2 * steps)
            x = x + self.velocity(half, time + 1 / (2 * steps)) / steps
        return self.scale * x


class FlowMatchingHead(Head[Flow]):
    """A head that predicts a :class:`Flow` over delta in R^D.

    The velocity is the exact one of the Gaussian N(mean(h), spread(h)^2 I) and, what that misses, t times a
    network's: at t = 0, where the velocity tells the mean, nothing is missing.
    """

    has_density = False
    needs_noise = True
    scale: Tensor
    probes_SD: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.mean, self.spread = Linear(width, dim), Linear(width, 1)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self.context = Linear(width, 2 * width)
        self.inner = Linear(dim + _RATES, 2 * width, bias=False)
        self.outer = nn.Sequential(nn.SiLU(), Linear(2 * width, 2 * width), nn.SiLU(), Linear(2 * width, dim))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("probes_SD", _probes(dim))

    def forward(self, h: Tensor) -> Flow:
        """The flows to [..., D] that hidden states ``h`` [..., H] predict."""
        mean, context = self.mean(h), self.context(h)
        variance = torch.exp(2 * bounded(self.spread(h), _LOG_SPREAD_BOUND))

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            inner = self.inner(torch.cat([x, _cosines(time)], -1))
            return _gaussian_velocity(mean, variance, x, time) + time * self.outer(context + inner)

        return Flow(velocity, self.scale, mean.shape, self.probes_SD)

    def objective(self, law: Flow, delta: Tensor, noise: LawNoise) -> Tensor:
        """Half the squared error of the velocity, [...]: up to a constant the NLL, in nats per frame, of a
        Gaussian as wide as the data's step about it.

        ``noise.normal[..., :D]`` is x_0 and ``noise.uniform[..., 0]`` is t.
        """
        end, start, time = delta / law.scale, noise.normal[..., :-1], noise.uniform[..., :1]
        velocity = law.velocity((1 - time) * start + time * end, time)
        return 0.5 * (velocity - (end - start)).square().sum(-1)

    def start_from(self, survey: Survey) -> None:
        """Begin with noise as wide as the data's step per dimension."""
        self.scale.fill_(survey.typical / math.sqrt(self.mean.out_features))


def _gaussian_velocity(mean: Tensor, variance: Tensor, x: Tensor, time: Tensor) -> Tensor:
    """E[x_1 - x_0 | x_t = x] for x_1 ~ N(mean, variance I): linear regression on x_t."""
    shared = time * variance - (1 - time)  # Cov(x_1 - x_0, x_t) per dimension
    spread = time.square() * variance + (1 - time).square()  # Var(x_t)
    return mean + shared / spread * (x - time * mean)


def _probes(dim: int) -> Tensor:
    """A few noise vectors [S, D] whose mean log length is exactly that of all: (psi(D / 2) + log 2) / 2."""
    half_SD = torch.randn(_PROBES // 2, dim, generator=torch.Generator().manual_seed(0))
    expected = 0.5 * (torch.digamma(torch.tensor(dim / 2)) + math.log(2))
    half_SD = half_SD * torch.exp(expected - half_SD.norm(dim=-1).log().mean())
    return torch.cat([half_SD, -half_SD])


def _cosines(time: Tensor) -> Tensor:
    return torch.cos(math.pi * time * torch.arange(_RATES, device=time.device, dtype=time.dtype))
