"""A world whose past is seen only by who multiplies: no linear prediction of it says anything.

Shapes: U utterances, T frames, D latent dimensions, K rollout steps, S starts, N continuations of each.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from trainables.latents.worlds.base import Optimum, known_direction, oblique_axes

_STARTS, _CONTINUATIONS = 300, 64
# Quantiles of a factor, and values of c, of the entropy
_NODES, _GRID = 256, np.linspace(-30.0, 30.0, 6001)


@dataclass(frozen=True)
class Product:
    """The process c_{t+1} = sqrt(share) a_t b_t + sqrt(1 - share) e: everything else is white, N(0, 1).

    Each of ``products`` triples (a, b, c) takes three axes, and the rest of D predicts nothing and is not
    predicted. Frames are uncorrelated at every lag and within a frame: the linear-Gaussian surrogate is white
    noise, and a linear regression finds nothing. What is known of the next frame are the products, one
    dimension each; a linear readout has to carry both factors, two dimensions each.

    Attributes:
        dim: latent dimensions, D, at least three for each product.
        products: number of triples.
        share: of the variance of c that the product explains.
    """

    dim: int
    products: int
    share: float

    def simulate(self, utterances: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Stationary stretches [U, T, D]."""
        x_UTD = rng.standard_normal((utterances, frames + 1, self.dim))
        self._add_products(x_UTD[:, 1:], x_UTD[:, :-1])
        return x_UTD[:, 1:] @ self.axes.T

    def mean(self, z: np.ndarray) -> np.ndarray:
        """The best prediction [..., D] of the frame after z [..., D]: the products along their axes."""
        a, b, c = self._triple
        x = z @ self.axes
        return math.sqrt(self.share) * (x[..., a] * x[..., b]) @ self.axes[:, c].T

    def following(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws [..., D] of the frame after z [..., D]."""
        x = rng.standard_normal(z.shape)
        self._add_products(x, z @ self.axes)
        return x @ self.axes.T

    def _add_products(self, x: np.ndarray, before: np.ndarray) -> None:
        """Make white noise x [..., D] the frame after another one, both along the axes, in place."""
        a, b, c = self._triple
        x[..., c] *= math.sqrt(1 - self.share)
        x[..., c] += math.sqrt(self.share) * before[..., a] * before[..., b]

    @property
    def _triple(self) -> tuple[slice, slice, slice]:
        """Axes of the factors and of the coordinate that their product moves."""
        n = self.products
        return slice(n), slice(n, 2 * n), slice(2 * n, 3 * n)

    @cached_property
    def axes(self) -> np.ndarray:
        """The axes as orthonormal columns [D, D]: fixed, oblique to every coordinate."""
        return oblique_axes(self.dim)

    def optimum(self, horizon: int) -> Optimum:
        """The optimum: two steps have a direction, as the second leaves what the first came to.

        Mean feedback goes to the products and, as they have no factors there, to 0, where it stays.
        """
        rng = np.random.default_rng(self.dim)
        start_SD = self.simulate(_STARTS, 1, rng)[:, 0]
        first_SND = self.following(np.repeat(start_SD[:, None], _CONTINUATIONS, 1), rng)
        second_SND = self.following(first_SND, rng)
        steps = (first_SND - start_SD[:, None], second_SND - first_SND)
        mean_SD = self.mean(start_SD)
        moves = (mean_SD - start_SD, -mean_SD)
        still = [0.0] * (horizon - 2)
        cosines = [known_direction(step) for step in steps]
        ratios = [_mean_log_length(m) - _mean_log_length(s) for m, s in zip(moves, steps, strict=True)]
        nll = self.dim / 2 * math.log(2 * math.pi * math.e) + self.products / 2 * math.log(1 - self.share)
        return Optimum(
            one_step_cosine=cosines[0],
            cos=[*cosines, *still],
            magnitude_ratio=[*np.exp(ratios).tolist(), *still],
            nll=nll,
            predictive_information=self.products * self.information(),
            how=f"formula; steps 1 and 2 by Monte Carlo, {_STARTS} states x {_CONTINUATIONS} continuations",
        )

    def information(self) -> float:
        """What one product tells of its coordinate, nats: the entropy of c less that of its noise.

        Given a factor a, c is N(0, share a^2 + 1 - share); its density is the mean of these over a.
        """
        factor_N = ndtri((np.arange(_NODES) + 0.5) / _NODES)
        deviation_N = np.sqrt(self.share * factor_N**2 + 1 - self.share)
        density = (np.exp(-0.5 * (_GRID[:, None] / deviation_N) ** 2) / deviation_N).mean(1) / math.sqrt(
            2 * math.pi
        )
        surprise = np.where(density > 0, -density * np.log(np.maximum(density, 1e-300)), 0)
        entropy = float(np.trapezoid(surprise, _GRID))
        return entropy - 0.5 * math.log(2 * math.pi * math.e * (1 - self.share))

    def parameters(self) -> dict[str, float]:
        """The numbers that define the process, by name."""
        return asdict(self)


def _mean_log_length(vectors: np.ndarray) -> float:
    return float(np.log(np.linalg.norm(vectors, axis=-1)).mean())
