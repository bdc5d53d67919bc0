"""Mean-flow head: hidden state -> a flow from noise to delta that is learnt in long steps, so that one or two
lead to a sample.

With x_t as in :mod:`trainables.predictor.heads.flow_matching`, u(x_t, t, s) is the mean velocity on the way
from time t to s: the way leads to X = x_t + (s - t) u (Z. Geng et al., "Mean Flows for One-step Generative
Modeling", 2025). Three of four levels have s = t, where u is the velocity and learns from x_1 - x_0, as that
paper recommends. Of the others the end has to move with the velocity where it is, dX/ds = u(X, s, s), whose
right side is a target without a gradient of its own (Lagrangian self-distillation: N. M. Boffi, M. S.
Albergo, E. Vanden-Eijnden, "How to build a consistency model: learning flow maps via self-distillation",
2025; it is what S. Rouard et al., "Continuous audio language models", 2025, train speech by). The mean flows'
own target, a derivative along x_1 - x_0, is as noisy as steps are heavy-tailed, twice over. The head makes no
claim about a likelihood.

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
        """Half the squared error of the velocity, [...], or of how the ends of long stretches move, mean over
        noise levels and once more in pure noise, where it is that of the mean. ``noise.uniform`` places the
        ends of long stretches, uniformly.
        """
        data, (start, time) = delta / law.scale, self.levels(noise)
        long = max(1, len(start) // _LONG_OF)
        time, end = _with_stretches(time, noise.uniform, long)
        path = data - start
        x = (1 - time) * start + time * data
        short = law.field(x[long:], time[long:], time[long:]) - path[long:]
        error = torch.cat([short, _drift_of_ends(law, x[:long], time[:long], end[:long])])
        return law.half_squared(error, data)


def _with_stretches(time: Tensor, uniform: Tensor, long: int) -> tuple[Tensor, Tensor]:
    """Times [S, ..., 1] where the first few begin stretches, and their ends: elsewhere the same."""
    both = torch.stack([evenly_spread(uniform[..., i : i + 1], long) for i in (0, 1)])
    return torch.cat([both.amin(0), time[long:]]), torch.cat([both.amax(0), time[long:]])


def _drift_of_ends(law: MeanFlow, x: Tensor, time: Tensor, end: Tensor) -> Tensor:
    """By how much the ends of stretches move otherwise, as time goes on, than the velocity there says."""

    def arrived(at: Tensor) -> Tensor:
        return x + (at - time) * law.field(x, time, at)

    there, moves = jvp(arrived, (end,), (torch.ones_like(end),))
    with torch.no_grad():
        velocity = law.field(there.detach(), end, end)
    return moves - velocity


def _gaussian_mean_velocity(mean: Tensor, variance: Tensor, x: Tensor, time: Tensor, end: Tensor) -> Tensor:
    """The mean velocity from time t to s of the flow to N(mean, variance I), which keeps (x_t - t mean) over
    its deviation.
    """
    first, last = (t.square() * variance + (1 - t).square() for t in (time, end))  # Var(x_t), Var(x_s)
    grown = ((end + time) * variance - (2 - end - time)) / (first + (first * last).sqrt())
    return mean + grown * (x - time * mean)
