"""Flow-matching head: hidden state -> a flow from Gaussian noise to delta (Y. Lipman et al., "Flow Matching
for Generative Modeling", 2023; straight paths: X. Liu et al., "Flow Straight and Fast", 2023).

With x_t = (1 - t) x_0 + t x_1, x_0 ~ N(0, I) and x_1 = delta / scale, the velocity that minimises E |v(x_t,
t, h) - (x_1 - x_0)|^2 is E[x_1 - x_0 | x_t, h], and its flow carries x_0 to a sample of x_1. The head makes
no claim about a likelihood.

What is recommended is several noise levels of a frame in one step, of a logit-normal law (P. Esser et al.,
Scaling rectified flow transformers, 2024; S. Rouard et al., Continuous audio language models, 2025), 16 steps
or more, and a running mean of the weights: draws = 4, noise_law = "logit_normal", solver_steps = 16, ema.

Shapes: H hidden units, D latent dimensions, S noise levels; [...] is any leading shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainables.distributions.implicit import MOST_PASSES, Implicit
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.denoiser import DenoisingHead, half_squared


class Flow(Implicit):
    """The law of ``scale`` times x_1, where dx/dt = ``velocity(x, t)`` from x_0 ~ N(0, I) to x_1."""

    called = "a flow-matching head"

    def __init__(
        self,
        velocity: Callable[[Tensor, Tensor], Tensor],
        scale: Tensor,
        shape: Sequence[int],
        probes_SD: Tensor,
        steps: int,
    ) -> None:
        """Be the law of a velocity.

        Args:
            velocity: x [..., D] and t [..., 1] in [0, 1] -> [..., D]; the dimensions before D are those of
                the law, with any number of others before them.
            scale: the unit of x, [].
            shape: of a sample of the law, [..., D].
            probes_SD: noise from which expectations without a closed form are taken.
            steps: of the midpoint rule, from noise to data.
        """
        super().__init__(shape, probes_SD)
        self.velocity, self.scale, self.steps = velocity, scale, steps

    def mean(self) -> Tensor:
        """The mean step, E[delta], [..., D].

        At t = 0 the best velocity is E[x_1] - x_0, whatever x_0; here x_0 = 0.
        """
        origin = self._origin()
        return self.scale * self.velocity(origin, torch.zeros_like(origin[..., :1]))

    def carry(self, x: Tensor, most: int = MOST_PASSES) -> Tensor:
        """The steps [..., D] that noise ``x`` [..., D] is carried to, by the midpoint rule."""
        steps = min(self.steps, most)
        for step in range(steps):
            time = torch.full_like(x[..., :1], step / steps)
            half = x + self.velocity(x, time) / (2 * steps)
            x = x + self.velocity(half, time + 1 / (2 * steps)) / steps
        return self.scale * x


class FlowMatchingHead(DenoisingHead[Flow]):
    """A head that predicts a :class:`Flow` over delta in R^D.

    The velocity is the exact one of the Gaussian N(mean(h), spread(h)^2 I) and, what that misses, t times a
    network's: at t = 0, where the velocity tells the mean, nothing is missing.
    """

    def __init__(self, width: int, dim: int, noise_law: str = "uniform", steps: int = 8) -> None:
        super().__init__(width, dim, noise_law, steps)

    def forward(self, h: Tensor) -> Flow:
        """The flows to [..., D] that hidden states ``h`` [..., H] predict."""
        mean, variance, network = self.pieces(h)

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            return _gaussian_velocity(mean, variance, x, time) + time * network(x, time)

        return Flow(velocity, self.scale, mean.shape, self.probes_SD, self.steps)

    def objective(self, law: Flow, delta: Tensor, noise: LawNoise) -> Tensor:
        """Half the squared error of the velocity, [...], mean over noise levels: up to a constant the NLL, in
        nats per frame, of a Gaussian as wide as the data's step about it.
        """
        end, (start, time) = delta / law.scale, self.levels(noise)
        velocity = law.velocity((1 - time) * start + time * end, time)
        return half_squared(velocity - (end - start))


def _gaussian_velocity(mean: Tensor, variance: Tensor, x: Tensor, time: Tensor) -> Tensor:
    """E[x_1 - x_0 | x_t = x] for x_1 ~ N(mean, variance I): linear regression on x_t."""
    shared = time * variance - (1 - time)  # Cov(x_1 - x_0, x_t) per dimension
    spread = time.square() * variance + (1 - time).square()  # Var(x_t)
    return mean + shared / spread * (x - time * mean)
