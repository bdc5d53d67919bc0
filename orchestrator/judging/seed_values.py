"""What each seed says by itself: its value, whether it would meet the criterion, whether it is an outlier.

An interval from a few seeds cannot see a failure that comes once in ten seeds: from six of them its 95 %
covers far less than that. So the seeds themselves are shown, with the share of them that met the criterion
and its exact bound (C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", 1934).

Shapes: R seeds, S speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from orchestrator.judging.measures import Measures
from orchestrator.statistics.mean_squares import Array
from search_spaces.study import Claim, Criterion
from trainables.latents.batching.surrogates import Surrogate

# A modified z-score above it marks an outlier (B. Iglewicz, D. C. Hoaglin, "How to detect and handle
# outliers", 1993); 1.4826 makes the median absolute deviation that of a normal law.
_FAR, _NORMAL = 3.5, 1.4826


@dataclass(frozen=True, kw_only=True)
class SeedValue:
    """One seed's value of a criterion's quantity, over all test speakers."""

    seed: int
    value: float
    met: bool
    # Far from the other seeds by a robust rule: part of training may have collapsed. It is never dropped.
    outlier: bool
    # Training diverged: it counts as the worst seed, or as nothing.
    failed: bool


@dataclass(frozen=True, kw_only=True)
class SeedShare:
    """How many seeds met a criterion each by itself, and the exact bounds of that share."""

    seeds: tuple[SeedValue, ...]
    low: float
    high: float

    @property
    def met(self) -> int:
        """How many seeds met the criterion."""
        return sum(seed.met for seed in self.seeds)


def seed_share(criterion: Criterion, measures: Measures, level: float = 0.95) -> SeedShare | None:
    """The seeds of the criterion's arm, each against its threshold of success.

    None where nothing was measured, or the claim is not one of being greater, not worse or comparable.
    """
    if criterion.claim is Claim.TIMES:
        return None
    tables = measures.sides(criterion.arm, criterion.metric, criterion.versus, Surrogate.REAL)
    if tables is None:
        return None
    values_R = tables[0].seed_values()
    for table in tables[1:]:
        values_R = values_R - table.seed_values()
    outliers_R, failed = far_from_the_others(values_R), measures.failed(criterion.arm)
    seeds = tuple(
        SeedValue(
            seed=seed,
            value=float(value),
            met=_meets(criterion, float(value)),
            outlier=bool(outlier),
            failed=seed in failed,
        )
        for seed, value, outlier in zip(tables[0].seeds, values_R, outliers_R, strict=True)
    )
    bounds = binomtest(sum(seed.met for seed in seeds), len(seeds)).proportion_ci(level, method="exact")
    return SeedShare(seeds=seeds, low=float(bounds.low), high=float(bounds.high))


def far_from_the_others(values_R: Array) -> Array:
    """Which of a few values lie far from the rest, [R], by their distance from the median."""
    distance_R = np.abs(values_R - np.median(values_R))
    spread = _NORMAL * np.median(distance_R)
    return (
        distance_R > _FAR * max(spread, 1e-12) if len(values_R) > 2 else np.zeros(len(values_R), dtype=bool)
    )


def _meets(criterion: Criterion, value: float) -> bool:
    match criterion.claim:
        case Claim.COMPARABLE:
            return abs(value) < criterion.margin
        case Claim.NOT_WORSE:
            return value > -criterion.margin
    return value > criterion.success
