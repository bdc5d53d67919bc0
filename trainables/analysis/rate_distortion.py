"""What frames cost when they are coded one by one, to compare with what the past tells about them.

The rate of a Gaussian source of covariance C at a distortion D, the squared error of a frame, is that of
reverse water-filling over the eigenvalues of C (T. M. Cover, J. A. Thomas, "Elements of Information Theory",
2006, theorem 10.3.3; section 13.3 of the first edition):

    D = sum_i min(theta, lambda_i),   R(D) = sum_i max(0, log2(lambda_i / theta) / 2)   bits per frame.

No source of that covariance needs more. Predictive information over that rate says which share of it a
coder that knew the past could leave out: exactly so while theta is below what the past leaves of every
dimension. At coarser distortions the information also counts detail that is not coded at all, and the ratio
may exceed 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COMMON_SHARE = 0.01  # of the total variance: the distortion at which all representations compare


@dataclass(frozen=True)
class Distortion:
    """An error that a codec makes itself, in its own units."""

    cause: str  # "lattice", "46 codebooks"
    squared_error: float  # of a frame, summed over dimensions
    nominal: float | None = None  # bit/s that the codec sends, where its codes have a length
    behind: bool = False  # whether the frames whose covariance is known are those that came out of it


@dataclass(frozen=True)
class Rate:
    """What frames of a representation cost at a distortion."""

    cause: str
    share: float  # the distortion over the total variance
    bits_per_second: float
    nominal: float | None


def rate_distortion(eigenvalues: np.ndarray, squared_error: float) -> float:
    """R(D) in bits per frame.

    Raises:
        ValueError: a distortion that is not above 0 has no finite rate.
    """
    if not squared_error > 0:
        raise ValueError(f"a squared error of {squared_error:g} has no finite rate; it must be above 0")
    largest_first = np.sort(np.asarray(eigenvalues, np.float64))[::-1]
    active = largest_first[largest_first > _level(largest_first, squared_error)]
    if not len(active):
        return 0.0
    return float(0.5 * np.log2(active / _level(largest_first, squared_error)).sum())


def rates(
    eigenvalues: Sequence[float], frame_rate: float, own: Sequence[Distortion]
) -> tuple[list[Rate], Rate | None]:
    """At each distortion of the codec's own, and at the common one; that is None where nothing varies.

    Where the eigenvalues are of frames behind the quantiser, those before it are taken to be larger by the
    error, evenly over dimensions: the error of a good quantiser does not correlate with what it gives.
    """
    found = np.asarray(eigenvalues, np.float64)
    total = float(found.sum())
    if not total > 0:
        return [], None
    at_own = []
    for distortion in own:
        source = found + distortion.squared_error / len(found) if distortion.behind else found
        bits = frame_rate * rate_distortion(source, distortion.squared_error)
        at_own.append(
            Rate(distortion.cause, distortion.squared_error / float(source.sum()), bits, distortion.nominal)
        )
    common = frame_rate * rate_distortion(found, COMMON_SHARE * total)
    return at_own, Rate("common", COMMON_SHARE, common, None)


def _level(largest_first: np.ndarray, squared_error: float) -> float:
    """theta: the level that the error fills up to, the largest eigenvalue where it drowns them all."""
    below = largest_first.sum() - np.cumsum(largest_first)  # what lies below the first n eigenvalues
    for count in range(len(largest_first), 0, -1):
        level = (squared_error - below[count - 1]) / count
        if level <= largest_first[count - 1]:
            return float(level)
    return float(largest_first[0])
