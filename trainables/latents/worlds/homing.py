"""A world that the law of a von Mises-Fisher head has made: every step leads home, more or less.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from trainables.latents.worlds.directional import concentration, vmf_cosines

_BURN_IN = 50  # frames: a step forgets most of where it came from


@dataclass(frozen=True)
class Homing:
    """The process delta_t = m_t d_t, where d_t ~ vMF(-z_t / |z_t|, kappa), log m_t ~ N(log step, spread^2).

    kappa solves A_D(kappa) = cosine. Direction and magnitude know nothing of each other, and the mean
    direction is a linear map of the frame, normalised: the head that assumes this soon knows the law, and
    its samples are frames.

    Attributes:
        dim: latent dimensions, D.
        cosine: of the best one-step direction, A_D(kappa).
        step: median of m.
        spread: standard deviation of log m.
    """

    dim: int
    cosine: float
    step: float
    spread: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        count = _BURN_IN + frames
        along_TU1 = vmf_cosines(self.dim, self.kappa, count * utterances, rng).reshape(count, -1, 1)
        size_TU1 = self.step * np.exp(self.spread * rng.standard_normal(along_TU1.shape))
        z_TUD = np.empty((count, utterances, self.dim))
        z_TUD[0] = self.step * rng.standard_normal((utterances, self.dim)) / np.sqrt(self.dim)
        for t in range(1, count):
            home_UD = -z_TUD[t - 1] / np.linalg.norm(z_TUD[t - 1], axis=-1, keepdims=True)
            across_UD = rng.standard_normal(home_UD.shape)
            across_UD -= (across_UD * home_UD).sum(-1, keepdims=True) * home_UD
            across_UD /= np.linalg.norm(across_UD, axis=-1, keepdims=True)
            turned_UD = along_TU1[t] * home_UD + np.sqrt(1 - along_TU1[t] ** 2) * across_UD
            z_TUD[t] = z_TUD[t - 1] + size_TU1[t] * turned_UD
        return z_TUD[_BURN_IN:].swapaxes(0, 1)

    @cached_property
    def kappa(self) -> float:
        """The concentration at which A_D(kappa) = cosine."""
        return concentration(self.dim, self.cosine)

    def optimum(self, horizon: int) -> None:
        """None: what is known beyond one step is that samples of the right head are frames."""

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name, and kappa."""
        return {**asdict(self), "kappa": self.kappa}
