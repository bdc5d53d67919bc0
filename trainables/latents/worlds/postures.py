"""Worlds that move among postures, so that their steps recur: of everyone, or each speaker's own.

Shapes: U utterances, T frames, D latent dimensions, P postures, K rollout steps, S starts.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, hyp1f1, softmax

from trainables.latents.worlds.base import Optimum

_STARTS = 16  # draws of the first frame's noise at each posture


@dataclass(frozen=True)
class Postures:
    """The process z_t = p_{s_t} + noise e_t: postures p_1..P ~ N(0, I), from each of which few others follow.

    Each posture is followed by, and follows, ``successors`` others with equal probability, so that all are
    equally frequent. Steps have P x successors directions and no more: a frame tells its posture, and the
    direction of the next step is one of ``successors``. Frames in another order step between any two.

    Attributes:
        dim: latent dimensions, D.
        count: of postures, P.
        successors: of each posture.
        noise: standard deviation of each coordinate; postures are some sqrt(2 D) apart.
        seed: chooses the postures and which follow which.
    """

    dim: int
    count: int
    successors: int
    noise: float
    seed: int = 0

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        states_TU = np.empty((frames, utterances), int)
        states_TU[0] = rng.integers(self.count, size=utterances)
        for t in range(1, frames):
            states_TU[t] = self.following[states_TU[t - 1], rng.integers(self.successors, size=utterances)]
        z_UTD = self.postures[states_TU.T]
        return z_UTD + self.noise * rng.standard_normal(z_UTD.shape)

    @cached_property
    def postures(self) -> np.ndarray:
        """The postures [P, D]."""
        return np.random.default_rng([self.seed, 0]).standard_normal((self.count, self.dim))

    @cached_property
    def following(self) -> np.ndarray:
        """The postures [P, successors] that may follow each: permutations without a fixed point in common."""
        rng = np.random.default_rng([self.seed, 1])
        columns: list[np.ndarray] = [np.arange(self.count)]  # itself: no posture follows itself
        while len(columns) <= self.successors:
            # A permutation that keeps clear of those before it, by swapping what is not.
            candidate = rng.permutation(self.count)
            while (clash := np.any([candidate == column for column in columns], axis=0)).any():
                at, other = clash.argmax(), rng.integers(self.count)
                candidate[[at, other]] = candidate[[other, at]]
            columns.append(candidate)
        return np.stack(columns[1:], 1)

    @cached_property
    def transitions(self) -> np.ndarray:
        """The probabilities [P, P] of the next posture; rows and columns sum to 1."""
        probabilities_PP = np.zeros((self.count, self.count))
        np.put_along_axis(probabilities_PP, self.following, 1 / self.successors, axis=1)
        return probabilities_PP

    def optimum(self, horizon: int) -> Optimum:
        """The optimum, for postures so far apart that a frame tells its own without doubt.

        Mean feedback goes to the mean of what may follow, which is taken for the nearest of them next.
        """
        cosines, moved = self._cosines(horizon), self._mean_feedback(horizon)
        true_log_length = np.log(np.linalg.norm(self._steps(), axis=-1)).mean()
        frame_entropy = self.dim / 2 * math.log(2 * math.pi * math.e * self.noise**2)
        return Optimum(
            one_step_cosine=cosines[0],
            cos=cosines,
            magnitude_ratio=np.exp(moved - true_log_length).tolist(),
            nll=frame_entropy + math.log(self.successors),
            predictive_information=math.log(self.count / self.successors),
            how=f"formula; step 1 and ratios by Monte Carlo, {self.count} postures x {_STARTS} draws",
        )

    def _starts(self) -> np.ndarray:
        """Frames [S, P, D], S at each posture."""
        rng = np.random.default_rng(self.dim)
        shape = (_STARTS, self.count, self.dim)
        return self.postures + self.noise * rng.standard_normal(shape)

    def _steps(self) -> np.ndarray:
        """Steps [S, P, successors, D] from frames at each posture."""
        starts_SPD = self._starts()
        noise = self.noise * np.random.default_rng(self.dim + 1).standard_normal(starts_SPD.shape)
        return self.postures[self.following] + (noise - starts_SPD)[:, :, None]

    def _cosines(self, horizon: int) -> list[float]:
        """E |E[d | past]|: noise is known where a rollout starts, and new at both ends of later steps."""
        starts_SPD = self._starts()
        first = mean_direction(self.postures[self.following] - starts_SPD[:, :, None], self.noise).mean(2)
        between = self.postures[self.following] - self.postures[:, None]
        expected_PD = mean_direction(between, self.noise * math.sqrt(2)).mean(1)
        cosines = [float(np.linalg.norm(first, axis=-1).mean())]
        for _ in range(horizon - 1):
            expected_PD = self.transitions @ expected_PD
            cosines.append(float(np.linalg.norm(expected_PD, axis=-1).mean()))
        return cosines

    def _mean_feedback(self, horizon: int) -> np.ndarray:
        """E log |delta| [K] of the true law under mean feedback: each mean is read as a frame."""
        z_SPD = self._starts()
        belief_SPP = np.broadcast_to(np.eye(self.count), (_STARTS, self.count, self.count))
        lengths = []
        for _ in range(horizon):
            belief_SPP = belief_SPP @ self.transitions
            following_SPD = belief_SPP @ self.postures
            lengths.append(np.log(np.linalg.norm(following_SPD - z_SPD, axis=-1)).mean())
            z_SPD = following_SPD
            distances = (z_SPD**2).sum(-1, keepdims=True) + (self.postures**2).sum(-1)
            distances = distances - 2 * z_SPD @ self.postures.T
            with np.errstate(divide="ignore"):
                belief_SPP = softmax(np.log(belief_SPP) - distances / (2 * self.noise**2), axis=-1)
        return np.array(lengths)

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


@dataclass(frozen=True)
class PosturesOfSpeakers:
    """Worlds of :class:`Postures`, another one for each speaker: steps recur, but nobody else's.

    Clusters of steps that were found on some speakers are no clusters of others.

    Attributes:
        dim, count, successors, noise: of each speaker's postures.
    """

    dim: int
    count: int
    successors: int
    noise: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stretches [U, T, D] of as many speakers."""
        return np.concatenate([self.speaker(own).simulate(1, frames, own) for own in rng.spawn(utterances)])

    def speaker(self, rng: np.random.Generator) -> Postures:
        """The world of a speaker."""
        return Postures(self.dim, self.count, self.successors, self.noise, seed=int(rng.integers(2**32)))

    def optimum(self, horizon: int) -> None:
        """None: nobody knows what can be learnt of a speaker's postures while listening."""

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


def mean_direction(means: np.ndarray, deviation: float) -> np.ndarray:
    """The mean [..., D] of x / |x| for Gaussian x with the given means [..., D] and deviation of coordinates.

    It points along the mean m and has the length
    Gamma((D+1)/2) / Gamma(D/2+1) sqrt(y) 1F1(1/2; D/2+1; -y), y = |m|^2 / (2 deviation^2).

    K. V. Mardia, P. E. Jupp, "Directional Statistics", 2000, section 9.3 (the projected normal distribution).
    """
    dim = means.shape[-1]
    lengths = np.linalg.norm(means, axis=-1, keepdims=True)
    y = lengths**2 / (2 * deviation**2)
    growth = math.exp(gammaln((dim + 1) / 2) - gammaln(dim / 2 + 1))
    shortened: np.ndarray = means / lengths * growth * np.sqrt(y) * hyp1f1(0.5, dim / 2 + 1, -y)
    return shortened
