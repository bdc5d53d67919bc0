"""The Lorenz system: three dimensions, no noise, and a horizon beyond which nothing can be predicted.

Shapes: U utterances, T frames.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from trainables.latents.worlds.base import Optimum

LYAPUNOV = 0.9056  # largest exponent, per unit of time (J. C. Sprott, "Chaos and Time-Series Analysis", 2003)
# Of the attractor at the parameters below, so that frames have mean 0 and variance 1.
_MEAN, _DEVIATION = np.array([0.0, 0.0, 23.55]), np.array([7.92, 9.01, 8.62])
_SUBSTEPS = 4  # Runge-Kutta steps in a frame
_BURN_IN = 30.0  # units of time from a random point to the attractor


@dataclass(frozen=True)
class Lorenz:
    """The flow dx = sigma (y - x), dy = x (rho - z) - y, dz = x y - beta z, seen every ``dt``, standardised.

    Errors grow by exp(LYAPUNOV t): the measure of a predictor is how long its free run stays valid, in units
    of 1 / LYAPUNOV.

    E. N. Lorenz, "Deterministic nonperiodic flow", 1963.

    Attributes:
        dt: time from one frame to the next, in units of the system's time.
        sigma, rho, beta: parameters of the flow.
    """

    dt: float
    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3

    @property
    def dim(self) -> int:
        """Three latent dimensions: x, y and z."""
        return 3

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stretches [U, T, 3] on the attractor, each from another random point."""
        state = _MEAN + _DEVIATION * rng.standard_normal((utterances, 3))
        for _ in range(round(_BURN_IN / self.dt)):
            state = self._next(state)
        path = [state]
        for _ in range(frames - 1):
            path.append(self._next(path[-1]))
        return (np.stack(path, 1) - _MEAN) / _DEVIATION

    def _next(self, state: np.ndarray) -> np.ndarray:
        """A frame later, by Runge and Kutta's fourth-order rule."""
        step = self.dt / _SUBSTEPS
        for _ in range(_SUBSTEPS):
            k1 = self._flow(state)
            k2 = self._flow(state + step / 2 * k1)
            k3 = self._flow(state + step / 2 * k2)
            k4 = self._flow(state + step * k3)
            state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return state

    def _flow(self, state: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(state, -1, 0)
        return np.stack([self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z], -1)

    def optimum(self, horizon: int) -> Optimum:
        """Perfect scores: over a horizon far below 1 / LYAPUNOV every step can be predicted.

        Densities have no bound.
        """
        return Optimum(
            one_step_cosine=1.0,
            cos=[1.0] * horizon,
            magnitude_ratio=[1.0] * horizon,
            nll=None,
            predictive_information=None,
            how="there is no noise; a state rounded to float16 is lost after 8 / LYAPUNOV units of time",
        )

    def parameters(self) -> dict[str, float]:
        """The numbers that define the flow, by name, and the rate at which errors grow."""
        return {**asdict(self), "lyapunov": LYAPUNOV}
