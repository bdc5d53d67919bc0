"""A thin ring, and a model of it that is too noisy: whether a correction by the score helps is known.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps, S samples, N starts.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import ive

from trainables.latents.worlds.base import oblique_axes


@dataclass(frozen=True)
class Ring:
    """The process z_t = radius (cos a_t, sin a_t) + thickness e_t: the angle a_t turns and drifts.

    Each step adds N(turn, drift^2) to the angle. A model comes with the world: it turns a frame as the truth
    does, and adds N(0, excess^2) to every coordinate, so that its free run leaves the ring. Frames do not
    depend on ``excess``. Where it exceeds what the truth does, a step along the score of frames takes away
    what is too much, and samples come nearer to the law of the truth; where it does not, the same step takes
    spread that the samples need, and harms them, although their error falls. Shrinking to the mean by the
    same distance harms both. The score of a Gaussian with the ring's covariance knows its plane, and helps
    nearly as much.

    Attributes:
        dim: latent dimensions, D.
        radius: of the ring.
        turn: of the angle in a frame, radians.
        drift: standard deviation of that turn.
        thickness: standard deviation of each coordinate about the ring.
        excess: standard deviation of the noise in each coordinate of the model's steps.
    """

    dim: int
    radius: float
    turn: float
    drift: float
    thickness: float
    excess: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        steps_UT = self.turn + self.drift * rng.standard_normal((utterances, frames))
        steps_UT[:, 0] = rng.uniform(0, 2 * np.pi, utterances)
        angles_UT = steps_UT.cumsum(1)
        z_UTD = self.radius * np.stack([np.cos(angles_UT), np.sin(angles_UT)], -1) @ self.plane.T
        return z_UTD + self.thickness * rng.standard_normal(z_UTD.shape)

    @cached_property
    def plane(self) -> np.ndarray:
        """The plane of the ring as orthonormal columns [D, 2]: fixed, oblique to every coordinate."""
        return oblique_axes(self.dim)[:, :2]

    def model_step(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The frames [..., D] that the model draws after frames z [..., D]."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x = z @ self.plane
        turned = z + (x @ np.array([[cos, sin], [-sin, cos]]) - x) @ self.plane.T
        return turned + self.excess * rng.standard_normal(z.shape)

    def score(self, z: np.ndarray, blur: float) -> np.ndarray:
        """The score [..., D] of frames to which N(0, blur^2 I) was added, at z [..., D].

        In the plane it is (radius rho(radius |x| / v) x / |x| - x) / v with v = thickness^2 + blur^2 and
        rho = I_1 / I_0; elsewhere it is -y / v.
        """
        variance = self.thickness**2 + blur**2
        x = z @ self.plane
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        concentration = self.radius * length / variance
        ring = self.radius * ive(1, concentration) / ive(0, concentration) * x / length
        pulled: np.ndarray = (ring @ self.plane.T - z) / variance
        return pulled

    def optimum(self, horizon: int) -> None:
        """None: nobody has worked out what a thin ring lets know of its angle.

        What is known is whether the model is better for a correction.
        """

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process and its model, by name."""
        return asdict(self)
