"""More than one look at the test speakers, paid for out of one alpha.

A spending function says how much of alpha may be spent once a share t of the data has arrived: here
2 (1 - Phi(z(1 - alpha / 2) / sqrt(t))), which spends little early, after P. C. O'Brien and T. R. Fleming
(K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983).
Each look is tested at its increment alone. The increments sum to alpha, so by the union bound the chance of
any false decision stays below alpha, however the looks are correlated and whatever share of the data each
really had.
"""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri

FEWEST_REPLICATES = 2  # with fewer, nothing is known of the spread between seeds


def alpha_per_look(alpha: float, looks: int) -> list[float]:
    """The two-sided alpha of each look in turn; they sum to ``alpha``.

    Raises:
        ValueError: ``looks`` is below 1.
    """
    if looks < 1:
        raise ValueError(f"a study takes at least 1 look at its test speakers, not {looks}")
    z = -float(ndtri(alpha / 2))
    spent = [0.0, *(2 * float(ndtr(-z / math.sqrt(i / looks))) for i in range(1, looks)), alpha]
    return [after - before for before, after in zip(spent, spent[1:], strict=False)]


def alpha_at(alpha: float, looks: int, look: int) -> float:
    """The alpha of one look, counted from 1; one beyond the last planned look gets the alpha of the last."""
    return alpha_per_look(alpha, looks)[min(look, looks) - 1]


def replicates_per_look(replicates: int, looks: int) -> list[int]:
    """The number of replicates that must have finished at each look; at the last look, all of them.

    Every look needs at least 2, and more than the one before: with too few replicates there are fewer looks.
    """
    wanted = (max(FEWEST_REPLICATES, math.ceil(i * replicates / looks)) for i in range(1, looks))
    return [*sorted({count for count in wanted if count < replicates}), replicates]
