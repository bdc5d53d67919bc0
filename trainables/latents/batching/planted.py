"""Plants: surrogates of the user's own frames in which a direction can be predicted, to a known cosine.

Nulls say what frames give that have no past. A plant says what an arm would have shown, had there been
something to show: an arm that misses it at some settings says nothing by missing the real one. A frame is

    z_t = mean + a_t g(i_t) + n_t

in the axes of the frames' own covariance. The prototypes g lie on a closed path, and i_t goes one further
with each frame, or slips to any other with a set probability: without slips the direction stays known for
ever, with slips it is lost in some frames. The rest n_t is an Ornstein-Uhlenbeck process whose clock runs
with a_t, so that it always holds exactly that part of the covariance that prototypes leave. Loudness a_t
changes slowly, and its law is matched until the lengths |delta| of the steps have the quantiles they have in
the user's frames.

Shapes: S starts, N continuations of each, W walkers, T frames, D latent dimensions, P prototypes,
Q quantiles, K steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate

SHARE = 0.7  # of the mean squared step that the path makes; its root, 0.84, is about the cosine to be reached
SLIP = 0.2  # probability per frame with which the direction is lost; a half-life of three frames
_PLACES = range(5, 35, 2)  # numbers of prototypes that are tried, the fewest that have room being taken
_PERSISTENCE = 0.98  # of loudness, from frame to frame
_MOST_OF_VARIANCE, _ALL_OF_VARIANCE = 0.8, 0.9  # of an axis that the path may take, at first and in the end
_LEVELS = np.linspace(0, 1, 257)  # probabilities of the quantiles
_EVENLY = (np.arange(4096) + 0.5) / 4096
_ROUNDS, _WALKERS, _WALK = 6, 4096, 5  # of the matching of step lengths
_STARTS, _CONTINUATIONS = 512, 128  # of the optimum
_MOST_LENGTHS = 200_000  # of steps whose lengths are kept


@dataclass(frozen=True)
class FrameStatistics:
    """What plants copy of training frames.

    Attributes:
        mean_D: the mean frame.
        covariance_DD: of the frames.
        lengths_Q: quantiles of |delta| at evenly spaced probabilities from 0 to 1.
    """

    mean_D: np.ndarray
    covariance_DD: np.ndarray
    lengths_Q: np.ndarray

    @classmethod
    def of(cls, utterances: Iterable[np.ndarray], steps: int | None = None) -> FrameStatistics:
        """The statistics of utterances, [T, D] each.

        Args:
            utterances: one after the other.
            steps: how many pairs of successive frames they have; where it is None, the lengths of all are
                kept until they have been counted.

        Raises:
            InputError: there are no two successive frames, or frames have fewer than two dimensions.
        """
        count, total, passed = 0, np.zeros(1), 0
        every = -(-(steps or 1) // _MOST_LENGTHS)
        squares: np.ndarray = np.zeros((1, 1))
        lengths: list[np.ndarray] = [np.zeros(0)]
        for frames in utterances:
            frames_TD = np.asarray(frames, dtype=np.float64)
            count += len(frames_TD)
            total = total + frames_TD.sum(0)
            squares = squares + frames_TD.T @ frames_TD
            lengths.append(np.linalg.norm(np.diff(frames_TD, axis=0), axis=1)[-passed % every :: every])
            passed += max(0, len(frames_TD) - 1)
        lengths_M = np.concatenate(lengths)
        if not len(lengths_M):
            raise InputError(
                "training utterances have no two frames; a plant needs steps: encode longer ones"
            )
        if len(total) < 2:
            raise InputError("latents have 1 dimension; a plant needs directions: use at least 2 dimensions")
        mean_D = total / count
        kept = lengths_M[:: -(-len(lengths_M) // _MOST_LENGTHS)]
        return cls(mean_D, squares / count - np.outer(mean_D, mean_D), np.quantile(kept, _LEVELS))


@dataclass(frozen=True)
class State:
    """Where walkers stand, each a row: place on the path, loudness (standard normal), and the rest [., D]."""

    place: np.ndarray
    loudness: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True)
class PlantOptimum:
    """What no predictor can beat on a plant, by Monte Carlo over starts whose state is known.

    Attributes:
        cos: [K]. ``cos[k-1]`` is E |E[d_{t+k-1} | state at t]|.
        errors: [K]. Their standard errors.
    """

    cos: list[float]
    errors: list[float]


@dataclass(frozen=True)
class PlantWorld:
    """A process fitted to frames, see the module; everything but the mean is in the axes of their covariance.

    Attributes:
        mean_D: the mean frame.
        axes_DD: the eigenvectors of the covariance, as columns.
        rest_D: variances of the rest.
        prototypes_PD: the path, for steps of length 1.
        share: of a mean squared step, what the path makes; the rest makes the others.
        scales_Q: quantiles of the step length that loudness stands for.
        slip: probability per frame that the place on the path is lost.
    """

    mean_D: np.ndarray
    axes_DD: np.ndarray
    rest_D: np.ndarray
    prototypes_PD: np.ndarray
    share: float
    scales_Q: np.ndarray
    slip: float

    @classmethod
    def fitted(cls, statistics: FrameStatistics, slip: float = 0.0) -> PlantWorld:
        """The plant with the mean, covariance and step lengths of the frames."""
        variances_D, axes_DD = np.linalg.eigh(statistics.covariance_DD)
        variances_D, axes_DD = variances_D[::-1].clip(min=0), axes_DD[:, ::-1]
        lengths_Q = statistics.lengths_Q
        path_PD, share = _path(variances_D, _mean_square(lengths_Q))
        world = cls(statistics.mean_D, axes_DD, variances_D, path_PD, share, lengths_Q, slip)
        for _ in range(_ROUNDS):
            world = world._matched(lengths_Q, variances_D)
        return world._with_rest(variances_D)

    @property
    def dim(self) -> int:
        """Latent dimensions, D."""
        return len(self.mean_D)

    def simulate(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """A stationary stretch [T, D] in the coordinates of the frames."""
        path_TD = self.walk(self.start(1, rng), frames, rng)[:, 0]
        return self.mean_D + path_TD @ self.axes_DD.T

    def start(self, walkers: int, rng: np.random.Generator) -> State:
        """States [W] drawn from the stationary law."""
        place = rng.integers(len(self.prototypes_PD), size=walkers)
        rest = rng.standard_normal((walkers, self.dim)) * np.sqrt(self.rest_D)
        return State(place, rng.standard_normal(walkers), rest)

    def walk(self, start: State, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Frames [T, W, D] less their mean, in the axes of the covariance; the first is where they start."""
        from scipy.signal import lfilter  # seconds to load, in every process that trains

        places, walkers = len(self.prototypes_PD), len(start.place)
        size = (frames - 1, walkers)
        # A slip leads to any place but the next one.
        beyond = np.where(rng.random(size) < self.slip, rng.integers(1, places, size), 0)
        place_TW = np.cumsum(np.concatenate([start.place[None], 1 + beyond]), axis=0) % places
        fresh = math.sqrt(1 - _PERSISTENCE**2) * rng.standard_normal(size)
        loudness_TW = lfilter(
            [1.0], [1.0, -_PERSISTENCE], np.concatenate([start.loudness[None], fresh]), axis=0
        )
        scale_TW = np.interp(ndtr(loudness_TW), _LEVELS, self.scales_Q)
        # The rest forgets the more of itself, the longer the step.
        room = 2 * self.rest_D.sum() / (1 - self.share)
        kept_TW = 1 - np.minimum(scale_TW[:-1] ** 2 / room, 1) if room > 0 else np.ones(size)
        rest_TWD = rng.standard_normal((frames, walkers, self.dim))
        rest_TWD[1:] *= np.sqrt(1 - kept_TW**2)[..., None] * np.sqrt(self.rest_D)
        rest_TWD[0] = start.rest
        for t, kept_W1 in enumerate(kept_TW[..., None]):
            rest_TWD[t + 1] += kept_W1 * rest_TWD[t]
        return rest_TWD + scale_TW[..., None] * self.prototypes_PD[place_TW]

    def optimum(self, horizon: int, seed: int = 0) -> PlantOptimum:
        """The optimum of cos@k over the horizon; U-statistics stand in place of biased squared norms."""
        rng = np.random.default_rng([seed, self.dim])
        cosines_SK = np.stack([self._cosines(horizon, rng) for _ in range(_STARTS)])
        errors = cosines_SK.std(0, ddof=1) / math.sqrt(_STARTS)
        return PlantOptimum(cosines_SK.mean(0).tolist(), errors.tolist())

    def _cosines(self, horizon: int, rng: np.random.Generator) -> np.ndarray:
        """|E[d_{t+k-1} | state]| at one start, [K]."""
        start = self.start(1, rng)
        each = State(*(np.repeat(part, _CONTINUATIONS, axis=0) for part in vars(start).values()))
        unit_KND = directions(self.walk(each, horizon + 1, rng))
        squared_K = ((unit_KND.sum(1) ** 2).sum(-1) - _CONTINUATIONS) / (
            _CONTINUATIONS * (_CONTINUATIONS - 1)
        )
        return np.sqrt(np.maximum(squared_K, 0))

    def _matched(self, lengths_Q: np.ndarray, variances_D: np.ndarray) -> PlantWorld:
        """The plant with its steps brought nearer to the lengths."""
        world = self._with_rest(variances_D)
        rng = np.random.default_rng(self.dim)
        deltas_TWD = np.diff(world.walk(world.start(_WALKERS, rng), _WALK, rng), axis=0)
        reached_Q = np.quantile(np.linalg.norm(deltas_TWD, axis=-1), _LEVELS)
        ratio_Q = np.divide(lengths_Q, reached_Q, out=np.ones_like(lengths_Q), where=reached_Q > 0)
        return replace(world, scales_Q=np.maximum.accumulate(world.scales_Q * ratio_Q))

    def _with_rest(self, variances_D: np.ndarray) -> PlantWorld:
        """The plant whose rest holds what the path leaves of the variances; where steps that grew louder have
        taken more than there is, the path makes less of each.
        """
        taken_D = (self.prototypes_PD**2).mean(0) * _mean_square(self.scales_Q)
        used_D = taken_D > 0
        fits = float(np.min(_ALL_OF_VARIANCE * variances_D[used_D] / taken_D[used_D], initial=1.0))
        return replace(
            self,
            rest_D=(variances_D - fits * taken_D).clip(min=0),
            prototypes_PD=math.sqrt(fits) * self.prototypes_PD,
            share=fits * self.share,
        )


def directions(path_TWD: np.ndarray) -> np.ndarray:
    """The directions of the steps of paths, [T - 1, W, D]; zero where a path stands still."""
    delta = np.diff(path_TWD, axis=0)
    size = np.linalg.norm(delta, axis=-1, keepdims=True)
    return np.divide(delta, size, out=np.zeros_like(delta), where=size > 0)


def _mean_square(quantiles_Q: np.ndarray) -> float:
    return float(np.mean(np.interp(_EVENLY, _LEVELS, quantiles_Q) ** 2))


def _path(variances_D: np.ndarray, mean_square: float) -> tuple[np.ndarray, float]:
    """Prototypes on a closed path [P, D] for steps of length 1, and the share of a squared step they make.

    Each two axes hold an ellipse that is gone round at its own speed, a multiple of one turn in P frames: the
    axes with most variance at the highest, so that a long step takes little of the variance.
    """
    dim = len(variances_D)
    best = np.zeros((1, dim)), 0.0
    for places in _PLACES if dim > 2 else [3]:
        turns = np.arange(places // 2, 0, -1)[: dim // 2]  # of the first two axes, of the next two, ...
        pairs_H2 = variances_D[: 2 * len(turns)].reshape(-1, 2)
        gain_H = 2 * (1 - np.cos(2 * np.pi * turns / places))  # squared step for each unit of variance
        for sizes_H2 in (np.repeat(pairs_H2.min(1, keepdims=True), 2, axis=1), pairs_H2):
            most = _MOST_OF_VARIANCE * float((gain_H[:, None] * sizes_H2).sum()) / mean_square
            share = min(SHARE, most)
            if share <= best[1]:
                continue
            angle_PH = 2 * np.pi * np.arange(places)[:, None] * turns / places
            round_PH2 = np.stack([np.cos(angle_PH), np.sin(angle_PH)], axis=-1)
            radius_H2 = np.sqrt(2 * sizes_H2 * share / (gain_H[:, None] * sizes_H2).sum())
            path_PD = np.zeros((places, dim))
            path_PD[:, : 2 * len(turns)] = (round_PH2 * radius_H2).reshape(places, -1)
            best = path_PD, share
            if share == SHARE:
                return best
    return best


def plants_of(utterances: Iterable[np.ndarray], steps: int | None = None) -> dict[Surrogate, PlantWorld]:
    """Both plants of training utterances, [T, D] each, in units of the training RMS; ``steps`` as for
    :meth:`FrameStatistics.of`.

    Raises:
        InputError: there are no two successive frames, or frames have fewer than two dimensions.
    """
    statistics = FrameStatistics.of(utterances, steps)
    return {
        Surrogate.KEPT: PlantWorld.fitted(statistics),
        Surrogate.LOST: PlantWorld.fitted(statistics, slip=SLIP),
    }
