"""A linear-Gaussian world that turns and decays equally in all planes: every metric has a closed form.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, hyp2f1

from trainables.latents.worlds.base import Optimum, oblique_axes


@dataclass(frozen=True)
class RotatingAR:
    """The process z_{t+1} = decay Q z_t + innovation: Q turns each of D / 2 planes, z_t ~ N(0, scale^2 I).

    ``decay = 0`` is white noise and ``angle = 0`` a first-order autoregression. Given z_t, the k-th delta has
    the mean a_k = (decay Q - I)(decay Q)^{k-1} z_t, and both are isotropic Gaussians whose coordinates have
    the correlation r_k = decay^{k-1} sqrt(|1 - decay e^{i angle}|^2 / (2 (1 - decay cos angle))). Isotropy
    makes a_k the best direction, and mean feedback follows a_k exactly.

    Attributes:
        dim: latent dimensions, D, an even number.
        decay: of a frame's influence from one frame to the next, from 0 to below 1.
        angle: by which Q turns, radians per frame.
        scale: standard deviation of each coordinate.
    """

    dim: int
    decay: float
    angle: float
    scale: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        step_DD, innovation = self._law
        z_TUD = rng.standard_normal((frames, utterances, self.dim))
        z_TUD[0] *= self.scale
        z_TUD[1:] *= innovation
        for t in range(1, frames):
            z_TUD[t] += z_TUD[t - 1] @ step_DD
        return z_TUD.transpose(1, 0, 2)

    def model_step(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The frames [..., D] that the world's own law draws after frames z [..., D]."""
        step_DD, innovation = self._law
        return z @ step_DD + innovation * rng.standard_normal(z.shape)

    @cached_property
    def _law(self) -> tuple[np.ndarray, float]:
        """What takes a row to the next frame, and the standard deviation of what is new in it."""
        return self.decay * self.rotation().T, self.scale * math.sqrt(1 - self.decay**2)

    def rotation(self) -> np.ndarray:
        """The matrix Q [D, D], whose planes span a fixed random basis: no coordinate is special."""
        basis_DD = oblique_axes(self.dim)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.kron(np.eye(self.dim // 2), np.array([[cos, -sin], [sin, cos]]))
        return basis_DD @ turn @ basis_DD.T

    def optimum(self, horizon: int) -> Optimum:
        """The optimum in closed form, from the correlation between coordinates of prediction and truth."""
        correlations = self.correlation() * self.decay ** np.arange(horizon)
        cos = [mean_cosine(self.dim, r) for r in correlations]
        variance = (self.scale**2) * (1 - self.decay**2)
        return Optimum(
            one_step_cosine=cos[0],
            cos=cos,
            # Both are Gaussian with scales of ratio r: their mean logarithms differ by log r.
            magnitude_ratio=correlations.tolist(),
            nll=self.dim / 2 * math.log(2 * math.pi * math.e * variance),
            predictive_information=-self.dim / 2 * math.log1p(-(self.decay**2)),
            how="formula",
        )

    def correlation(self) -> float:
        """The correlation r_1 between each coordinate of delta and of its best prediction."""
        predicted = 1 - 2 * self.decay * math.cos(self.angle) + self.decay**2
        return math.sqrt(predicted / (2 * (1 - self.decay * math.cos(self.angle))))

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


def mean_cosine(dim: int, correlation: float) -> float:
    """The mean cosine, E cos(x, y), of Gaussian vectors in R^d whose coordinates have the correlation r.

    It is r (2/d) (Gamma((d+1)/2) / Gamma(d/2))^2 2F1(1/2, 1/2; d/2 + 1; r^2), the mean of a sample
    correlation about a known mean.

    H. Hotelling, "New light on the correlation coefficient and its transforms", 1953.
    """
    growth = math.exp(2 * (gammaln((dim + 1) / 2) - gammaln(dim / 2)))
    return float(correlation * 2 / dim * growth * hyp2f1(0.5, 0.5, dim / 2 + 1, correlation**2))
