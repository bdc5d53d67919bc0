"""The effect that a design can detect, before it is run: by Monte Carlo of the interval that will decide.

An effect is the distance of the truth above a threshold. It is detected where the lower end of the interval
lies above the threshold, that is where effect > half width - error of the estimate; so the smallest effect
detected with a given power is that quantile of (half width - error). The same holds below a threshold.

With normal effects of speakers and seeds the mean squares are independent multiples of chi-squared variables,
and independent of the error of the mean (W. G. Cochran, "The distribution of quadratic forms in a normal
system", 1934): mean squares are drawn, so that a design of any size costs the same, and the error is
integrated out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.mean_squares import Array, Squares, expected_squares, t_interval
from search_spaces.study import Spread

_DRAWS, _SEED = 4000, 0
LARGEST_COUNT = 10_000  # of speakers or seeds: no plan needs more


def smallest_effect(spread: Spread, speakers: int, seeds: int, level: float, power: float) -> float:
    """The smallest effect that an interval at ``level`` detects with ``power``, in units of the metric.

    Infinite for one speaker and one seed, which show no spread. A single seed, or a single speaker, shows
    nothing about how others would differ: the effect then holds for that one alone.
    """
    if speakers == 1 and seeds == 1:
        return math.inf
    rng = np.random.default_rng(_SEED)
    variances = (spread.seeds**2, spread.speakers**2, spread.rest**2)
    expected = expected_squares(*variances, seeds, speakers)
    freedoms = (seeds - 1, speakers - 1, (seeds - 1) * (speakers - 1))
    squares = [_mean_square(rng, *each) for each in zip(expected, freedoms, strict=True)]
    total = variances[0] * (seeds > 1) / seeds + variances[1] * (speakers > 1) / speakers
    error = math.sqrt(total + variances[2] / (seeds * speakers))
    halves_N = t_interval(Squares(*squares), seeds, speakers, level).half
    if error == 0:
        return 0.0
    most = float(halves_N.max()) + 9 * error
    return float(brentq(lambda effect: ndtr((effect - halves_N) / error).mean() - power, -most, most))


def needed(
    effect: float, spread: Spread, speakers: int, seeds: int, level: float, power: float
) -> tuple[int | None, int | None]:
    """The numbers of speakers (at these seeds) and of seeds (at these speakers) that detect an effect.

    Each is at least what is given; None where more of one alone would never be enough.
    """
    return (
        fewest(lambda n: smallest_effect(spread, n, seeds, level, power) <= effect, speakers),
        fewest(lambda n: smallest_effect(spread, speakers, n, level, power) <= effect, seeds),
    )


def fewest(enough: Callable[[int], bool], start: int) -> int | None:
    """The smallest count from ``start`` on that is enough, by doubling and bisection; None above 10 000."""
    if enough(start):
        return start
    low, high = start, min(2 * start, LARGEST_COUNT)
    while not enough(high):
        if high >= LARGEST_COUNT:
            return None
        low, high = high, min(2 * high, LARGEST_COUNT)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def spread_of(interval: Interval, source: str = "measured") -> Spread:
    """The spread that an interval has measured, as standard deviations per cell.

    Raises:
        ValueError: the interval comes from one seed and one speaker, which show no spread.
    """
    variances = (interval.speaker_variance, interval.seed_variance, interval.rest_variance)
    if not all(math.isfinite(variance) for variance in variances):
        raise ValueError("one seed and one speaker show no spread")
    speakers, seeds, rest = (math.sqrt(variance) for variance in variances)
    return Spread(speakers, seeds, rest, source)


def smallest_p(seeds: int) -> float:
    """The smallest two-sided p of a sign-flip test on n paired seeds: 2 of 2**n equally likely outcomes."""
    return min(1.0, 2.0 / 2.0**seeds)


def fewest_seeds(alpha: float) -> int:
    """The smallest number of paired seeds with which a two-sided sign-flip test can reach ``alpha``.

    At 0.05 it is 6; 3 seeds cannot give a p below 0.25, whatever the data.
    """
    return max(1, math.ceil(1 - math.log2(alpha)))


def replicates_to_bound(share: float, level: float = 0.95) -> int:
    """The fewest seeds that show, where every one of them succeeds, that more than a share of all seeds does:
    by the exact two-sided interval at ``level``, whose lower end is ((1 - level) / 2) ** (1 / n).
    """
    return math.floor(math.log((1 - level) / 2) / math.log(share)) + 1


def share_bounded_by(replicates: int, level: float = 0.95) -> float:
    """The share of seeds that succeed at least, where all of so many did: the lower end of that interval."""
    return float(((1 - level) / 2) ** (1 / replicates))


def _mean_square(rng: np.random.Generator, expected: float, freedom: int) -> Array:
    return expected * rng.chisquare(freedom, _DRAWS) / freedom if freedom > 0 else np.zeros(_DRAWS)
