"""More than one look at the test speakers, paid for out of one alpha.

A spending function says how much of alpha may be gone when a share t of the data is in: here
2 (1 - Phi(z(1 - alpha / 2) / sqrt(t))), which spends little early, after P. C. O'Brien and T. R. Fleming
(K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983).
Each look is tested at the increment alone. The increments sum to alpha, so by the union bound the chance of
any false decision stays below alpha, however the looks are correlated and whatever share each really had.
"""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri

FEWEST_REPLICATES = 2  # below it nothing is known of the spread between seeds


def alpha_per_look(alpha: float, looks: int) -> list[float]:
    """The two-sided alpha of each look in turn; they sum to ``alpha``.

    Raises:
        ValueError: there is no look.
    """
    if looks < 1:
        raise ValueError(f"a study takes at least 1 look at its test speakers, not {looks}")
    z = -float(ndtri(alpha / 2))
    gone = [0.0, *(2 * float(ndtr(-z / math.sqrt(i / looks))) for i in range(1, looks)), alpha]
    return [after - before for before, after in zip(gone, gone[1:], strict=False)]


def alpha_at(alpha: float, looks: int, look: int) -> float:
    """The alpha of one look, counted from 1. A look beyond the last has none left: it gets the last one's."""
    return alpha_per_look(alpha, looks)[min(look, looks) - 1]


def shares(replicates: int, looks: int) -> list[int]:
    """How many replicates are in at each look, the last having all.

    Every look needs 2 at least and more than the one before: with too few replicates there are fewer looks.
    """
    wanted = (max(FEWEST_REPLICATES, math.ceil(i * replicates / looks)) for i in range(1, looks))
    return [*sorted({count for count in wanted if count < replicates}), replicates]
