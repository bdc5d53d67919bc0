"""A world whose next direction is known to a set cosine and whose next magnitude cannot be known.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps, S starts, N continuations of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import ive

from trainables.latents.worlds.base import Optimum

_BURN_IN = 100  # frames from the cycle to the stationary law: nine relaxation times
_STARTS, _CONTINUATIONS = 200, 64


@dataclass(frozen=True)
class DirectionalWorld:
    """The process delta_t = m_t d_t, where d_t ~ vMF(mu(z_t), kappa), log m_t ~ N(log step, spread^2).

    kappa solves A_D(kappa) = cosine, so that the best one-step direction, mu(z_t), scores exactly ``cosine``.
    The field follows a circle of the given radius in one plane: with x = P z / radius and y the rest of z /
    radius, mu is the unit vector along J x + pull (1 - |x|^2) x - pull y, where J turns the plane by a right
    angle. The pull keeps trajectories bounded, so that a rollout can stay right; because of the turning,
    neither standing still nor repeating a direction is right.

    Attributes:
        dim: latent dimensions, D.
        cosine: of the best one-step direction, A_D(kappa).
        step: median of m.
        spread: standard deviation of log m.
        radius: of the circle.
        pull: strength of the pull towards the circle, the speed along it being 1.
    """

    dim: int
    cosine: float
    step: float
    spread: float
    radius: float
    pull: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D], each from another random phase."""
        phase = rng.uniform(0, 2 * np.pi, utterances)
        z_UD = self.radius * np.stack([np.cos(phase), np.sin(phase)], 1) @ self.plane.T
        path = [z for z, _ in self.walk(z_UD, _BURN_IN + frames, rng)]
        return np.stack(path[_BURN_IN:], axis=1)

    def walk(
        self, z_UD: np.ndarray, frames: int, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """At each frame the states [U, D] and their mean directions [U, D], beginning at ``z_UD``."""
        along = vmf_cosines(self.dim, self.kappa, frames * len(z_UD), rng).reshape(frames, len(z_UD), 1)
        magnitude = self.step * np.exp(self.spread * rng.standard_normal(along.shape))
        for t in range(frames):
            mu = self.field(z_UD)
            yield z_UD, mu
            across = rng.standard_normal(z_UD.shape)
            across -= (across * mu).sum(-1, keepdims=True) * mu
            across /= np.linalg.norm(across, axis=-1, keepdims=True)
            z_UD = z_UD + magnitude[t] * (along[t] * mu + np.sqrt(1 - along[t] ** 2) * across)

    def field(self, z: np.ndarray) -> np.ndarray:
        """The mean directions mu(z) at states z [..., D]: unit vectors [..., D]."""
        x = z @ self.plane / self.radius
        across = z / self.radius - x @ self.plane.T
        turn = np.stack([-x[..., 1], x[..., 0]], axis=-1)
        inward = self.pull * (1 - (x**2).sum(-1, keepdims=True)) * x
        direction = (turn + inward) @ self.plane.T - self.pull * across
        return direction / np.linalg.norm(direction, axis=-1, keepdims=True)

    @cached_property
    def plane(self) -> np.ndarray:
        """The plane of the circle as orthonormal columns, P^T [D, 2]: fixed, oblique to every coordinate."""
        return np.linalg.qr(np.random.default_rng(self.dim).standard_normal((self.dim, 2)))[0]

    @cached_property
    def kappa(self) -> float:
        """The concentration at which A_D(kappa) = cosine."""
        return concentration(self.dim, self.cosine)

    def optimum(self, horizon: int) -> Optimum:
        """The optimum: NLL, cos@1 and magnitude ratios by formula, cos@2 onwards by Monte Carlo.

        Under mean feedback the prediction always has the length E[m] A_D, so the magnitude ratio, a geometric
        mean, is E[m] A_D / exp(E[log m]) = A_D exp(spread^2 / 2).
        """
        return Optimum(
            one_step_cosine=self.cosine,
            cos=[self.cosine, *self._later_cosines(horizon)],
            magnitude_ratio=[self.cosine * math.exp(self.spread**2 / 2)] * horizon,
            nll=self.entropy(),
            predictive_information=None,
            how=f"formula; cos@2 onwards by Monte Carlo, {_STARTS} states x {_CONTINUATIONS} continuations",
        )

    def entropy(self) -> float:
        """Entropy of delta in R^D given z, nats: of direction and of magnitude, and (D - 1) E[log m]."""
        magnitude = 0.5 * math.log(2 * math.pi * math.e * self.spread**2) + math.log(self.step)
        return direction_entropy(self.dim, self.kappa) + magnitude + (self.dim - 1) * math.log(self.step)

    def _later_cosines(self, horizon: int) -> list[float]:
        """A_D E |E[mu(z_{t+k-1}) | z_t]| for k = 2..K, with U-statistics in place of biased squared norms."""
        rng = np.random.default_rng(self.dim)
        starts_SD = self.simulate(_STARTS, 1, rng)[:, 0]
        states = np.repeat(starts_SD, _CONTINUATIONS, axis=0)
        cosines = []
        for _, mu in list(self.walk(states, horizon, rng))[1:]:
            sums_SD = mu.reshape(_STARTS, _CONTINUATIONS, self.dim).sum(1)
            squared = ((sums_SD**2).sum(-1) - _CONTINUATIONS) / (_CONTINUATIONS * (_CONTINUATIONS - 1))
            cosines.append(self.cosine * float(np.sqrt(np.maximum(squared, 0)).mean()))
        return cosines

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name, and kappa."""
        return {**asdict(self), "kappa": self.kappa}


DIRECTIONAL = DirectionalWorld(dim=32, cosine=0.85, step=0.5, spread=0.4, radius=2.5, pull=0.5)


def concentration(dim: int, cosine: float) -> float:
    """The kappa at which A_D(kappa) = cosine, up to 100 D."""
    from scipy.optimize import brentq  # a second to load, in every process that trains

    return float(brentq(lambda kappa: mean_resultant(dim, kappa) - cosine, 1e-3, 100 * dim))


def mean_resultant(dim: int, kappa: float) -> float:
    """The mean resultant length A_D(kappa) = I_{D/2} / I_{D/2-1}, where scipy's ``ive`` is no 0 or inf."""
    return float(ive(dim / 2, kappa) / ive(dim / 2 - 1, kappa))


def direction_entropy(dim: int, kappa: float) -> float:
    """Differential entropy, in nats, of a von Mises-Fisher law on the sphere in R^D: -log C_D - kappa A_D."""
    order = dim / 2 - 1
    log_bessel = math.log(ive(order, kappa)) + kappa
    log_normaliser = order * math.log(kappa) - dim / 2 * math.log(2 * math.pi) - log_bessel
    return -log_normaliser - kappa * mean_resultant(dim, kappa)


def vmf_cosines(dim: int, kappa: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws [count] of the cosine mu.x under a von Mises-Fisher law on the sphere in R^D, by rejection.

    A. T. A. Wood, "Simulation of the von Mises Fisher distribution", 1994.
    """
    shape = dim - 1
    b = shape / (2 * kappa + math.hypot(2 * kappa, shape))
    x0 = (1 - b) / (1 + b)
    peak = kappa * x0 + shape * math.log(1 - x0**2)
    accepted: list[np.ndarray] = []
    while sum(map(len, accepted)) < count:
        beta = rng.beta(shape / 2, shape / 2, count)
        t = (1 - (1 + b) * beta) / (1 - (1 - b) * beta)
        keep = kappa * t + shape * np.log(1 - x0 * t) - peak >= np.log(rng.random(count))
        accepted.append(t[keep])
    return np.concatenate(accepted)[:count]
