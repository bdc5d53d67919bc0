"""The rate of frames that are coded one by one, to compare with what the past says about them.

The rate of a Gaussian source of covariance C at a distortion D, the squared error of a frame, is that of
reverse water-filling over the eigenvalues of C (T. M. Cover, J. A. Thomas, "Elements of Information Theory",
2006, theorem 10.3.3; section 13.3 of the first edition):

    D = sum_i min(theta, lambda_i),   R(D) = sum_i max(0, log2(lambda_i / theta) / 2)   bits per frame.

No source of that covariance needs more. Predictive information over that rate is the share of it that a coder
could leave out if it knew the past: exactly so while theta is below the variance that the past leaves of each
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
    """An error that a codec makes itself.

    Attributes:
        cause: "lattice" or "46 codebooks".
        squared_error: mean squared error of a frame, summed over dimensions, in the codec's units squared.
        nominal: rate that the codec sends, bit/s; None where its codes have no length.
        behind: whether the frames whose covariance is known are quantised frames, which have the error.
    """

    cause: str
    squared_error: float
    nominal: float | None = None
    behind: bool = False


@dataclass(frozen=True)
class Rate:
    """The rate of a representation's frames at a distortion.

    Attributes:
        cause: of the distortion, or "common".
        share: the distortion over the total variance.
        bits_per_second: the rate, bit/s.
        nominal: rate that the codec sends, bit/s; None where there is none.
    """

    cause: str
    share: float
    bits_per_second: float
    nominal: float | None


def rate_distortion(eigenvalues: np.ndarray, squared_error: float) -> float:
    """The rate R(D) of a Gaussian source, bits per frame.

    Args:
        eigenvalues: of its covariance.
        squared_error: the distortion D, in the units of the eigenvalues.

    Raises:
        ValueError: the distortion is not above 0, and its rate not finite.
    """
    if not squared_error > 0:
        raise ValueError(f"a squared error of {squared_error:g} has no finite rate; it must be above 0")
    largest_first = np.sort(np.asarray(eigenvalues, np.float64))[::-1]
    active = largest_first[largest_first > _level(largest_first, squared_error)]
    if not len(active):
        return 0.0
    return float(0.5 * np.log2(active / _level(largest_first, squared_error)).sum())


def rates(
    eigenvalues: Sequence[float], frame_rate: float, distortions: Sequence[Distortion]
) -> tuple[list[Rate], Rate | None]:
    """Rates at each distortion of the codec, and at the common one, which is None where nothing varies.

    Where the eigenvalues are of quantised frames, those of frames before the quantiser are taken to be larger
    by the error, evenly over dimensions: the error of a good quantiser does not correlate with its output.

    Args:
        eigenvalues: of the covariance of frames, in the codec's units squared.
        frame_rate: of the latents, Hz.
        distortions: of the codec.
    """
    variances = np.asarray(eigenvalues, np.float64)
    total = float(variances.sum())
    if not total > 0:
        return [], None
    codec_rates = []
    for distortion in distortions:
        error = distortion.squared_error
        source = variances + error / len(variances) if distortion.behind else variances
        bits = frame_rate * rate_distortion(source, error)
        codec_rates.append(Rate(distortion.cause, error / float(source.sum()), bits, distortion.nominal))
    common = frame_rate * rate_distortion(variances, COMMON_SHARE * total)
    return codec_rates, Rate("common", COMMON_SHARE, common, None)


def _level(largest_first: np.ndarray, squared_error: float) -> float:
    """The level theta up to which the error fills; the largest eigenvalue where it covers them all."""
    below = largest_first.sum() - np.cumsum(largest_first)  # sum of all but the first n eigenvalues
    for count in range(len(largest_first), 0, -1):
        level = (squared_error - below[count - 1]) / count
        if level <= largest_first[count - 1]:
            return float(level)
    return float(largest_first[0])
