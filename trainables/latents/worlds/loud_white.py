"""A world without a past that is hard to see as one: frames of one shape, loud and quiet by turns.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps, S starts, N continuations of each.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaincinv, logsumexp, ndtri

from trainables.latents.worlds.base import Optimum, known_direction, oblique_axes

_STARTS, _CONTINUATIONS = 1000, 64
_LOUDNESSES, _LENGTHS = 128, 128  # quantiles that stand for each law in the entropy


@dataclass(frozen=True)
class LoudWhite:
    """The process z_t = s_t A x_t: x_t ~ N(0, I) and log s_t ~ N(0, spread^2) are new in every frame.

    All that can be known of a frame is the shape A A' and how loudness varies, and neither is in the past: a
    density that knows nothing of it, but both of these, is the best predictor. A full Gaussian knows the
    shape alone, and loses to it; so does a family that knows only the loudness.

    Attributes:
        dim: latent dimensions, D.
        condition: largest over smallest singular value of A, which are evenly spread on a log scale.
        spread: standard deviation of the log of a frame's loudness s.
        scale: RMS of a coordinate, over all of them.
    """

    dim: int
    condition: float
    spread: float
    scale: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stretches [U, T, D] of independent frames."""
        loud_UT1 = np.exp(self.spread * rng.standard_normal((utterances, frames, 1)))
        return loud_UT1 * rng.standard_normal((utterances, frames, self.dim)) @ self.shape.T

    @cached_property
    def shape(self) -> np.ndarray:
        """The matrix A [D, D]: fixed, its axes oblique to every coordinate."""
        stretch_D = np.geomspace(1, 1 / self.condition, self.dim)
        # E[s^2] = exp(2 spread^2)
        rms = math.sqrt((stretch_D**2).mean()) * math.exp(self.spread**2)
        return oblique_axes(self.dim) * (stretch_D * self.scale / rms)

    def optimum(self, horizon: int) -> Optimum:
        """The optimum: nothing to know from the past, and no direction after the first step.

        The first step leads away from z_t, whatever follows, so that it has a cosine and a magnitude ratio,
        by Monte Carlo. Mean feedback jumps to the mean frame, 0, and stays there.
        """
        cosine, ratio = self._first_step()
        still = [0.0] * (horizon - 1)
        return Optimum(
            one_step_cosine=cosine,
            cos=[cosine, *still],
            magnitude_ratio=[ratio, *still],
            nll=self.entropy(),
            predictive_information=0.0,
            how=f"formula; step 1 by Monte Carlo, {_STARTS} states x {_CONTINUATIONS} continuations",
        )

    def entropy(self) -> float:
        """Entropy of a frame, nats, by quantiles of its loudness and of |x|; that of delta given the past,
        too.
        """
        squared_lengths_N = 2 * gammaincinv(self.dim / 2, _middles(_LENGTHS))  # of chi^2
        squared_radii = np.exp(2 * self._log_loudness)[:, None] * squared_lengths_N
        return -float(self._log_density(squared_radii).mean())

    def log_density(self, frames: np.ndarray) -> np.ndarray:
        """The log density [...] of frames [..., D], nats, by quantiles of loudness."""
        return self._log_density((np.linalg.solve(self.shape, frames[..., None]) ** 2).sum((-2, -1)))

    def _log_density(self, squared_radii: np.ndarray) -> np.ndarray:
        """The log density [...] of frames whose |A^-1 z|^2 is ``squared_radii``: the mean over loudness."""
        log_loud = self._log_loudness
        exponents = -0.5 * squared_radii[..., None] * np.exp(-2 * log_loud) - self.dim * log_loud
        volume = np.linalg.slogdet(self.shape)[1] + self.dim / 2 * math.log(2 * math.pi)
        density: np.ndarray = logsumexp(exponents, axis=-1) - math.log(_LOUDNESSES) - volume
        return density

    @cached_property
    def _log_loudness(self) -> np.ndarray:
        """Quantiles of log s, all equally likely."""
        return self.spread * ndtri(_middles(_LOUDNESSES))

    def _first_step(self) -> tuple[float, float]:
        """E |E[d | z_t]|, and exp E log(|z_t| / |delta|)."""
        rng = np.random.default_rng(self.dim)
        starts_S1D = self.simulate(_STARTS, 1, rng)
        steps_SND = self.simulate(_STARTS, _CONTINUATIONS, rng) - starts_S1D
        ratios_SN = np.linalg.norm(starts_S1D, axis=-1) / np.linalg.norm(steps_SND, axis=-1)
        geometric = float(np.exp(np.log(ratios_SN).mean()))
        return known_direction(steps_SND), geometric

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


def _middles(count: int) -> np.ndarray:
    """The middles [count] of equal parts of the unit interval."""
    return (np.arange(count) + 0.5) / count
