"""A world that hardly moves and now and then jumps: one law of magnitudes does not hold both.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Jumps:
    """The process z_{t+1} = sqrt(1 - stir^2) z_t + stir e_t, or, at a share ``rate`` of frames, e_t alone.

    e_t ~ N(0, I) is new in every frame, so that frames are N(0, I): in random order they are white noise,
    which a von Mises-Fisher direction and a LogNormal magnitude describe nearly. In order, magnitudes are
    tiny or large, and only the large ones have a direction. A head that takes both from one LogNormal,
    whatever the direction, draws steps that are large and lead anywhere, and its samples run out of the
    region of frames. The rarer jumps are, the fewer places an utterance has, and the more its frames in
    random order are repetitions, of which samples are no frames either.

    Attributes:
        dim: latent dimensions, D.
        rate: probability of a jump.
        stir: standard deviation of each coordinate's small step.
    """

    dim: int
    rate: float
    stir: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        z_TUD = rng.standard_normal((frames, utterances, self.dim))
        jumps_TU1 = rng.random((frames, utterances, 1)) < self.rate
        for t in range(1, frames):
            stirred_UD = math.sqrt(1 - self.stir**2) * z_TUD[t - 1] + self.stir * z_TUD[t]
            z_TUD[t] = np.where(jumps_TU1[t], z_TUD[t], stirred_UD)
        return z_TUD.swapaxes(0, 1)

    def optimum(self, horizon: int) -> None:
        """None: nobody has worked out how well it can be predicted.

        What is known is that samples of one direction and one magnitude leave the region of frames.
        """

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)
