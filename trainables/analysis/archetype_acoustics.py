"""What clusters of steps say about sound: the share of acoustic change that they explain, corrected.

Cluster means are those of training speakers, and the share is of the variance of held-out steps about the
training mean. From it goes what the same clusters explain of tracks that are shifted within their utterances
by 20 frames and more: slow tracks and slow latents go together for a while whatever they say.

Shapes: N steps, F features, K clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainables.analysis.direction_table import PAST, DirectionTable
from trainables.contract import Tracks

FEATURES = ("spectral_flux", "pitch_change", "energy_change")
_SHIFTS, _LEAST_SHIFT = 4, 20


@dataclass(frozen=True, kw_only=True)
class AcousticMeans:
    """What the clusters of training steps sound like.

    Attributes:
        means_KF: mean feature of each cluster; the overall mean where a cluster has no known step.
        mean_F: overall mean. variance_F: overall variance.
    """

    means_KF: np.ndarray
    mean_F: np.ndarray
    variance_F: np.ndarray

    @classmethod
    def of(cls, features_NF: np.ndarray, labels_N: np.ndarray, clusters: int) -> AcousticMeans | None:
        """The means over steps; None where no step has a known feature that varies."""
        known_NF = np.isfinite(features_NF)
        counts_F = known_NF.sum(0)
        if not counts_F.any():
            return None
        filled_NF = np.where(known_NF, features_NF, 0.0)
        mean_F = filled_NF.sum(0) / np.maximum(counts_F, 1)
        about_NF = np.where(known_NF, features_NF - mean_F, 0.0)
        variance_F = np.square(about_NF).sum(0) / np.maximum(counts_F, 1)
        sums_KF = np.stack([np.bincount(labels_N, each, clusters) for each in about_NF.T], 1)
        counts_KF = np.stack([np.bincount(labels_N, each, clusters) for each in known_NF.T], 1)
        means_KF = mean_F + sums_KF / np.maximum(counts_KF, 1)
        return cls(means_KF=means_KF, mean_F=mean_F, variance_F=variance_F) if variance_F.any() else None

    def explained(self, features_NF: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The squared distance of each step from the overall mean less that from its cluster's, and the first
        of them, [N, F] each, in units of the variance; 0 where a feature is unknown.
        """
        unit_F = np.where(self.variance_F > 0, self.variance_F, np.inf)
        about_NF = np.square(features_NF - self.mean_F) / unit_F
        left_NF = np.square(features_NF - self.means_KF[labels_N]) / unit_F
        known_NF = np.isfinite(features_NF)
        return np.where(known_NF, about_NF - left_NF, 0.0), np.where(known_NF, about_NF, 0.0)


def step_features(table: DirectionTable, tracks: Tracks) -> np.ndarray:
    """The :data:`FEATURES` of each step, [N, F]; NaN where one is unknown."""
    return next(_by_shift(table, tracks, shifts=()))


def shifted_features(table: DirectionTable, tracks: Tracks) -> Iterator[np.ndarray]:
    """The same with tracks shifted in a circle within each utterance, several times; NaN in utterances that
    are too short to be shifted far enough.
    """
    yield from list(_by_shift(table, tracks, shifts=tuple(range(1, _SHIFTS + 1))))[1:]


def _by_shift(table: DirectionTable, tracks: Tracks, shifts: tuple[int, ...]) -> Iterator[np.ndarray]:
    steps_of = zip(table.utterances, table.steps_U.tolist(), strict=True)
    series = [_series(tracks.get(name), steps) for name, steps in steps_of]
    flat_MF = np.concatenate(series)
    begin_U = np.cumsum([0, *table.steps_U])[:-1]
    steps_N, begin_N = table.steps_U[table.owner_N], begin_U[table.owner_N]
    yield flat_MF[begin_N + table.place_N]
    for number in shifts:
        shift_N = steps_N * number // (_SHIFTS + 1)
        far = (shift_N >= _LEAST_SHIFT) & (steps_N - shift_N >= _LEAST_SHIFT)
        rows_N = begin_N + (table.place_N + shift_N) % steps_N
        yield np.where(far[:, None], flat_MF[rows_N], np.nan)


def _series(track: Mapping[str, np.ndarray] | None, steps: int) -> np.ndarray:
    """The features of all steps of an utterance, [steps, F]."""
    unknown = np.full((steps, len(FEATURES)), np.nan)
    if track is None or not steps:
        return unknown
    frames = slice(PAST - 1, PAST + steps)
    energy, pitch, flux = (
        np.asarray(track[name], np.float64)[frames] for name in ("energy", "f0", "spectral_flux")
    )
    voiced = (pitch[:-1] > 0) & (pitch[1:] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        semitones = np.where(voiced, 12 * np.log2(pitch[1:] / pitch[:-1]), np.nan)
    return np.stack([flux[1:], semitones, energy[1:] - energy[:-1]], 1)
