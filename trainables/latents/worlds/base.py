"""What a world has to supply, and what its optimum is.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """What no predictor can beat on average over the world's stationary law, in the units of the latents.

    Attributes:
        one_step_cosine: equals ``cos[0]``.
        cos: [K]. ``cos[k-1]`` is E |E[d_{t+k-1} | past of z_t]|: the mean cosine between the true direction
            at rollout step k and the direction that maximises it given the frames before the rollout. No
            rollout, whatever it feeds back, can exceed it.
        magnitude_ratio: [K]. ``magnitude_ratio[k-1]`` is exp E[log(|delta_pred| / |delta_true|)], the
            geometric mean over frames, of the true one-step law rolled out under mean feedback: a
            description, not a bound.
        nll: entropy rate of delta in R^D, nats per frame; None where there is no bound.
        predictive_information: the entropy of z_t less ``nll``, nats per frame; None where it has no formula.
        how: the numbers were computed, in words.
    """

    one_step_cosine: float
    cos: list[float]
    magnitude_ratio: list[float]
    nll: float | None
    predictive_information: float | None
    how: str

    def to_json(self) -> dict[str, Any]:
        """The optimum as plain values, for the metadata of latent files."""
        return asdict(self)


def known_direction(steps_SND: np.ndarray) -> float:
    """The mean over S starts of |E[d | start]|, from the N deltas that follow each, by a U-statistic.

    No prediction from the start can exceed it. The squared norm of a mean of N unit vectors would be biased.
    """
    count = steps_SND.shape[1]
    sums_SD = (steps_SND / np.linalg.norm(steps_SND, axis=-1, keepdims=True)).sum(1)
    squared = ((sums_SD**2).sum(-1) - count) / (count * (count - 1))
    return float(np.sqrt(np.maximum(squared, 0)).mean())


def oblique_axes(dim: int) -> np.ndarray:
    """Orthonormal columns [D, D] that are oblique to every coordinate, the same for each D."""
    return np.linalg.qr(np.random.default_rng(dim).standard_normal((dim, dim)))[0]


class World(Protocol):
    """A stationary process of latent frames."""

    @property
    def dim(self) -> int:
        """Latent dimensions, D."""

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Independent stretches [U, T, D] of the stationary process, float64."""

    def optimum(self, horizon: int) -> Optimum | None:
        """The best possible metrics over a rollout of ``horizon`` frames; None where nobody knows them."""

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process."""
