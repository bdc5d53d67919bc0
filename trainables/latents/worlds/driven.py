"""Worlds in which the mean of what follows is a poor answer: a fork, and steps of heavy tails.

Both have the form z_{t+1} = decay z_t + e, with an e that knows nothing, so that the best forecast is a sum
of draws of e, and its energy score is half the mean distance of two such sums.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps, N draws.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from trainables.latents.worlds.base import oblique_axes

_DRAWS = 100_000
_SETTLING = 64  # frames before the first; what was there before them counts for decay^64


@dataclass(frozen=True)
class Driven:
    """A process z_{t+1} = decay z_t + e whose ``innovation`` e is drawn anew at every frame.

    Attributes:
        dim: latent dimensions, D.
        decay: of a frame's influence from one frame to the next, from 0 to below 1.
    """

    dim: int
    decay: float

    def innovation(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws [N, D] of e, N = ``count``."""
        raise TypeError(f"{type(self).__name__} does not say what drives it")

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        z_UD, path = np.zeros((utterances, self.dim)), []
        for _ in range(_SETTLING + frames):
            z_UD = self.following(z_UD, rng)
            path.append(z_UD)
        return np.stack(path[_SETTLING:], 1)

    def following(self, z_ND: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws [N, D] of the frames after frames z [N, D]."""
        return self.decay * z_ND + self.innovation(len(z_ND), rng)

    def energy_score(self, horizon: int) -> list[float]:
        """The energy score of the best forecast at each of K steps, in the units of the latents: no forecast
        has a lower one. By Monte Carlo, to about a third of a per cent.
        """
        rng = np.random.default_rng(self.dim)
        apart_ND, scores = np.zeros((_DRAWS, self.dim)), []
        for _ in range(horizon):
            drawn = (self.innovation(_DRAWS, rng) for _ in range(2))
            apart_ND = self.decay * apart_ND + next(drawn) - next(drawn)
            scores.append(float(np.linalg.norm(apart_ND, axis=-1).mean() / 2))
        return scores

    def optimum(self, horizon: int) -> None:
        """None: what is known of these worlds is their energy score."""

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


@dataclass(frozen=True)
class Fork(Driven):
    """A world in which every frame goes one of two ways, and none between them: e = +-jump a + noise.

    The way is a fair coin; a is a fixed direction, oblique to every coordinate. The mean of what follows lies
    half-way between both, where nothing ever goes. One Gaussian has to cover that too.

    Attributes:
        jump: along a, either way.
        noise: standard deviation of each coordinate of the rest.
    """

    jump: float
    noise: float

    def innovation(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws [N, D] of e, N = ``count``."""
        way_N1 = self.jump * rng.choice((-1.0, 1.0), (count, 1))
        return way_N1 * oblique_axes(self.dim)[:, 0] + self.noise * rng.standard_normal((count, self.dim))


@dataclass(frozen=True)
class HeavyTailed(Driven):
    """A world whose steps are mostly small, and now and then very large: e = scale n, seldom times as large.

    Rare frames make most of its variance: a Gaussian that knows mean and variance exactly expects far too
    much of an ordinary frame.

    Attributes:
        scale: standard deviation of each coordinate of an ordinary e.
        share: of frames whose e is larger.
        times: as much larger.
    """

    scale: float
    share: float
    times: float

    def innovation(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws [N, D] of e, N = ``count``."""
        size_N1 = np.where(rng.random((count, 1)) < self.share, self.times, 1.0) * self.scale
        return size_N1 * rng.standard_normal((count, self.dim))
