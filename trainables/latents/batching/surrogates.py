"""Surrogates of an utterance: frames like its own without a past, with a linear one, or with a planted one.

Shapes: T frames, D latent dimensions, E end candidates.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

_SLACK = 0.1  # share of the frames that may be left out at each end


class Surrogate(StrEnum):
    """Which frames a lane sees: the real ones, or a surrogate of them."""

    REAL = "real"
    WHITE = "white"  # the frames of each utterance in random order
    GAUSSIAN = "gaussian"  # each utterance with the phases of its spectrum randomised
    KEPT = "planted_kept"  # as many frames of a process whose direction stays known
    LOST = "planted_lost"  # ... of one whose direction is lost within some frames


NULLS = (Surrogate.WHITE, Surrogate.GAUSSIAN)  # what frames give that have no past, or a linear one
SURROGATES = (Surrogate.REAL, *NULLS)  # what can be made of any utterance alone
PLANTS = (Surrogate.KEPT, Surrogate.LOST)  # what a known direction gives (planted.py)


def white(frames_TD: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same frames in random order, [T, D]: their distribution is kept, and the past says nothing."""
    return frames_TD[rng.permutation(len(frames_TD))]


def phase_randomised(frames_TD: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A linear-Gaussian surrogate [T, D] with the mean and all auto- and cross-covariances of the utterance.

    Every Fourier coefficient is turned by a random phase that all dimensions share. The transform takes the
    utterance for a period of an endless signal: a jump from its end to its beginning would leak into all
    frequencies, whiten the surrogate and make the null too easy. So the period is the stretch of at least
    80 % of the frames whose ends match best, and the surrogate repeats it up to T frames.

    D. Prichard, J. Theiler, "Generating surrogate data for time series with several simultaneously measured
    variables", 1994.
    """
    begin, end = matching_ends(frames_TD)
    coefficients = np.fft.rfft(np.asarray(frames_TD[begin:end], dtype=np.float64), axis=0)
    turns = np.exp(2j * np.pi * rng.random(len(coefficients)))
    turns[0] = 1  # the mean
    if (end - begin) % 2 == 0:
        turns[-1] = rng.choice([-1, 1])  # the Nyquist coefficient of a real signal is real
    period = np.fft.irfft(coefficients * turns[:, None], n=end - begin, axis=0)
    return period[np.arange(len(frames_TD)) % len(period)].astype(frames_TD.dtype)


def matching_ends(frames_TD: np.ndarray) -> tuple[int, int]:
    """The stretch [begin, end) that repeats with the smallest jump.

    The frame that follows it is nearest to its first frame.
    """
    frames = len(frames_TD)
    slack = int(_SLACK * frames)
    if slack < 1:
        return 0, frames
    heads_ED = np.asarray(frames_TD[:slack], dtype=np.float64)
    tails_ED = np.asarray(frames_TD[frames - slack :], dtype=np.float64)
    squared_EE = (heads_ED**2).sum(1)[:, None] + (tails_ED**2).sum(1) - 2 * heads_ED @ tails_ED.T
    begin, tail = np.unravel_index(squared_EE.argmin(), squared_EE.shape)
    return int(begin), frames - slack + int(tail)
