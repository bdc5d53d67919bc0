"""Acoustic tracks at the lower frame rate of a derived representation, where several frames became one.

Shapes: T frames of the base; ``rate`` of them make one derived frame, and what does not fill one is left out.
"""

from __future__ import annotations

import numpy as np

_SILENCE = 1e-12  # power, -120 dB


def slower(track_T: np.ndarray, rate: int) -> np.ndarray:
    """The mean of each ``rate`` values that are known, [T // rate]; NaN where none is."""
    groups = np.asarray(track_T, np.float64)[: len(track_T) // rate * rate].reshape(-1, rate)
    known = np.isfinite(groups)
    count = known.sum(1)
    total = np.where(known, groups, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def slower_energy(level_T: np.ndarray, rate: int) -> np.ndarray:
    """Levels in dB, averaged as powers, [T // rate]: the level of all samples of the longer frame."""
    power = slower(10 ** (np.asarray(level_T, np.float64) / 10), rate)
    return 10 * np.log10(np.maximum(power, _SILENCE))


def slower_f0(pitch_T: np.ndarray, rate: int) -> np.ndarray:
    """Pitch in Hz, averaged over voiced frames, [T // rate]; 0 where none is voiced, NaN where unknown."""
    pitch = np.asarray(pitch_T, np.float64)
    voiced = slower(np.where(pitch > 0, pitch, np.nan), rate)
    return np.where(np.isfinite(voiced), voiced, np.where(np.isnan(slower(pitch, rate)), np.nan, 0.0))
