"""What a world must supply, and what "its optimum" means.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Optimum:
    """What no predictor can beat on average over the world's stationary law, in the latents' own units.

    ``one_step_cosine`` equals ``cos[0]``. ``cos[k-1]`` is E |E[d_{t+k-1} | past of z_t]|: the mean cosine
    between the true direction at rollout step k and the direction that maximises it given the frames before
    the rollout. No rollout, whatever it feeds back, can pass it. ``magnitude_ratio[k-1]`` is E[|delta_pred| /
    |delta_true|], averaged frame by frame, of the true one-step law rolled out under mean feedback; it is a
    description, not a bound. ``nll`` is the entropy rate of delta in R^D in nats per frame, None without a
    bound.
    ``predictive_information`` is the entropy of z_t less ``nll``; None where it has no formula.
    """

    one_step_cosine: float
    cos: list[float]  # [K]
    magnitude_ratio: list[float]  # [K]
    nll: float | None
    predictive_information: float | None
    how: str

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for the metadata of latent files."""
        return asdict(self)


class World(Protocol):
    """A stationary process of latent frames."""

    @property
    def dim(self) -> int:
        """D."""

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Independent stretches [U, T, D] of the stationary process, float64."""

    def optimum(self, horizon: int) -> Optimum | None:
        """The best possible metrics over a rollout of ``horizon`` frames; None where nobody knows them."""

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process."""
