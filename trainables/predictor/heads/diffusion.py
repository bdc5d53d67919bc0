"""Diffusion head: hidden state -> a small network that denoises delta (T. Li et al., Autoregressive image
generation without vector quantization, 2024), which predicts v (T. Salimans, J. Ho, Progressive distillation,
2022) as the heads of speech models do (Z. Peng et al., VibeVoice, 2025: 20 steps of a second-order solver).

With x_a = cos(a) x + sin(a) e, x = delta / scale and e ~ N(0, I), the network predicts v = cos(a) e - sin(a)
x from x_a at every angle a in [0, pi / 2]; a solver turns noise, a = pi / 2, back to data, a = 0. The head
makes no claim about a likelihood. Noise levels have log-normal odds, as T. Karras et al. (Elucidating the
design space of diffusion-based generative models, 2022) recommend, several of them for a frame in one step.

Shapes: H hidden units, D latent dimensions, S noise levels; [...] is any leading shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.distributions.implicit import MOST_PASSES
from trainables.distributions.law import LawNoise
from trainables.predictor.heads.denoiser import DenoisingHead, Located

_PURE_NOISE = math.pi / 2


class Diffusion(Located):
    """The law of ``scale`` times x, where v, the ``field(x_a, a)``, leads from noise back to data.

    At pure noise the best v is -E[x], whatever the noise; ``location`` is that mean, [..., D].
    """

    called = "a diffusion head"

    def carry(self, x: Tensor, most: int = MOST_PASSES) -> Tensor:
        """The steps [..., D] that noise ``x`` [..., D] is turned to: at each step by the v half-way through
        it, so that the error is of second order.
        """
        steps = min(self.steps, most)
        turn = _PURE_NOISE / steps
        for step in range(steps):
            angle = torch.full_like(x[..., :1], _PURE_NOISE - step * turn)
            half = _turned(x, self.field(x, angle), turn / 2)
            middle = self.field(half, angle - turn / 2)
            # v itself turns with the angle: brought back by half a step, it leads through the whole of it.
            x = _turned(x, math.cos(turn / 2) * middle - math.sin(turn / 2) * half, turn)
        return self.scale * x


class DiffusionHead(DenoisingHead[Diffusion]):
    """A head that predicts a :class:`Diffusion` law over delta in R^D.

    v is the exact one of the Gaussian N(mean(h), spread(h)^2 I) and, what that misses, cos(a) times a
    network's: in pure noise, where v tells the mean, nothing is missing.
    """

    def forward(self, h: Tensor) -> Diffusion:
        """The laws over [..., D] that hidden states ``h`` [..., H] predict."""
        mean, variance, network = self.pieces(h)

        def v(x: Tensor, angle: Tensor) -> Tensor:
            added = angle.cos() * network(x, 2 / math.pi * angle)
            return _gaussian_v(mean, variance, x, angle) + added

        return Diffusion(v, mean, self.scale, self.probes_SD, self.steps)

    def objective(self, law: Diffusion, delta: Tensor, noise: LawNoise) -> Tensor:
        """Half the squared error of v, [...], mean over noise levels and once more in pure noise, where it is
        that of the mean.
        """
        data, (start, time) = delta / law.scale, self.levels(noise)
        angle = torch.atan2(1 - time, time)  # odds of noise to data, 1 - t to t
        cos, sin = angle.cos(), angle.sin()
        v = law.field(cos * data + sin * start, angle)
        error = v - (cos * start - sin * data)
        return law.half_squared(error, data)


def _turned(x: Tensor, v: Tensor, angle: float) -> Tensor:
    """x after a turn by ``angle`` towards data: exact where what v says of data and noise is true."""
    return math.cos(angle) * x - math.sin(angle) * v


def _gaussian_v(mean: Tensor, variance: Tensor, x: Tensor, angle: Tensor) -> Tensor:
    """E[cos(a) e - sin(a) x_0 | x_a = x] for x_0 ~ N(mean, variance I): linear regression on x_a."""
    cos, sin = angle.cos(), angle.sin()
    spread = cos.square() * variance + sin.square()  # Var(x_a)
    return cos * sin * (1 - variance) / spread * (x - cos * mean) - sin * mean
