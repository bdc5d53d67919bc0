"""Mean-flow head: hidden state -> a flow from noise to delta that is learnt in long steps, so that one or two
lead to a sample (Z. Geng et al., "Mean Flows for One-step Generative Modeling", 2025).

With x_t as in :mod:`trainables.predictor.heads.flow_matching`, u(x_t, t, s) is the mean velocity on the way
from time t to s: x_s = x_t + (s - t) u. What it has to be follows from a derivative along the path, u = w +
(s - t) (w d/dx + d/dt) u, with w = x_1 - x_0; the right side is a target without a gradient of its own. Three
of four levels have s = t, where u is the velocity, as the paper recommends; its weighting of errors, which
would move the minimum away from the mean velocity, is left out. The head makes no claim about a likelihood.

Shapes: H hidden units, D latent dimensions, S noise levels; [...] is any leading shape.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jvp

from trainables.distributions.implicit import MOST_PASSES
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.denoiser import DenoisingHead, Located, evenly_spread

_LONG_OF = 4  # one level of so many spans a stretch of time


class MeanFlow(Located):
    """The law of ``scale`` times x_1, where ``field(x, t, s)`` is the mean one from time t to s.

    At t = s = 0 it is E[x_1] - x_0; ``location`` is that mean, [..., D].
    """

    called = "a mean-flow head"

    def carry(self, x: Tensor, most: int = MOST_PASSES) -> Tensor:
        """The steps [..., D] that noise ``x`` [..., D] is carried to, in as many stretches as the law has."""
        steps = min(self.steps, most)
        for step in range(steps):
            ends = (torch.full_like(x[..., :1], (step + more) / steps) for more in (0, 1))
            x = x + self.field(x, *ends) / steps
        return self.scale * x


class MeanFlowHead(DenoisingHead[MeanFlow]):
    """A head that predicts a :class:`MeanFlow` over delta in R^D.

    The mean velocity is the exact one of the Gaussian N(mean(h), spread(h)^2 I) and, what that misses, s
    times a network's: at s = t = 0 nothing is missing.
    """

    def __init__(self, width: int, dim: int, noise_law: str, steps: int) -> None:
        super().__init__(width, dim, noise_law, steps, times=2)

    def forward(self, h: Tensor) -> MeanFlow:
        """The flows to [..., D] that hidden states ``h`` [..., H] predict."""
        mean, variance, network = self.pieces(h)

        def velocity(x: Tensor, time: Tensor, end: Tensor) -> Tensor:
            added = end * network(x, time, end - time)
            return _gaussian_mean_velocity(mean, variance, x, time, end) + added

        return MeanFlow(velocity, mean, self.scale, self.probes_SD, self.steps)

    def objective(self, law: MeanFlow, delta: Tensor, noise: LawNoise) -> Tensor:
        """Half the squared error of the mean velocity, [...], mean over noise levels and once more in pure
        noise, where it is that of the mean. ``noise.uniform`` places the ends of long stretches, uniformly.
        """
        data, (start, time) = delta / law.scale, self.levels(noise)
        long = max(1, len(start) // _LONG_OF)
        time, end = _with_stretches(time, noise.uniform, long)
        path = data - start
        x = (1 - time) * start + time * data
        target = torch.cat([path[long:], _long_target(law, *(part[:long] for part in (x, time, end, path)))])
        ordered = (torch.cat([part[long:], part[:long]]) for part in (x, time, end))
        error = law.field(*ordered) - target
        return law.half_squared(error, data)


def _with_stretches(time: Tensor, uniform: Tensor, long: int) -> tuple[Tensor, Tensor]:
    """Times [S, ..., 1] where the first few begin stretches, and their ends: elsewhere the same."""
    both = torch.stack([evenly_spread(uniform[..., i : i + 1], long) for i in (0, 1)])
    return torch.cat([both.amin(0), time[long:]]), torch.cat([both.amax(0), time[long:]])


def _long_target(law: MeanFlow, x: Tensor, time: Tensor, end: Tensor, path: Tensor) -> Tensor:
    """What the mean velocity of stretches has to be, without a gradient."""
    with torch.no_grad():
        ones = torch.ones_like(time)
        _, slope = jvp(law.field, (x, time, end), (path, ones, torch.zeros_like(end)))
        return path + (end - time) * slope


def _gaussian_mean_velocity(mean: Tensor, variance: Tensor, x: Tensor, time: Tensor, end: Tensor) -> Tensor:
    """The mean velocity from time t to s of the flow to N(mean, variance I), which keeps (x_t - t mean) over
    its deviation.
    """
    first, last = (t.square() * variance + (1 - t).square() for t in (time, end))  # Var(x_t), Var(x_s)
    grown = ((end + time) * variance - (2 - end - time)) / (first + (first * last).sqrt())
    return mean + grown * (x - time * mean)
