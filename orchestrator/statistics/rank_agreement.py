"""Whether two measurements put the same things in the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from orchestrator.statistics.mean_squares import Array

_FEWEST, _MOST_ORDERS = 4, 7  # things; those of which every order is tried
_DRAWN = 9999  # orders
_AT_ONCE = 1_000_000  # signs, in memory


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b of two measurements of the same things, and its two-sided p by permutation."""

    tau: float
    p: float
    count: int


def rank_agreement(one: Sequence[float], other: Sequence[float]) -> RankAgreement | None:
    """How far two measurements agree about the order of things; None of fewer than four, or of ties alone.

    Were there no connection, then every order of one would be as probable. Of up to seven things all are
    tried, else 9,999 that are drawn, the seen one among them: either way p is exact, ties included.

    M. G. Kendall, "The treatment of ties in ranking problems", 1945.
    """
    count = len(one)
    if count < _FEWEST:
        return None
    ours_NN, theirs_NN = (_signs(np.asarray(values, np.float64)) for values in (one, other))
    scale = math.sqrt(float((ours_NN**2).sum()) * float((theirs_NN**2).sum()))
    if not scale:
        return None
    seen = float((ours_NN * theirs_NN).sum())
    if count <= _MOST_ORDERS:
        reached = _reached(np.array(list(permutations(range(count)))), ours_NN, theirs_NN, seen)
        p = reached / math.factorial(count)
    else:
        rng, reached = np.random.default_rng(0), 0
        at_once = max(1, _AT_ONCE // count**2)
        for first in range(0, _DRAWN, at_once):
            orders_PN = rng.random((min(at_once, _DRAWN - first), count)).argsort(1)
            reached += _reached(orders_PN, ours_NN, theirs_NN, seen)
        p = (1 + reached) / (1 + _DRAWN)
    return RankAgreement(seen / scale, p, count)


def _signs(values_N: Array) -> Array:
    return np.sign(values_N[:, None] - values_N)


def _reached(orders_PN: Array, ours_NN: Array, theirs_NN: Array, seen: float) -> int:
    """In how many orders of one the two agree, or disagree, as much as was seen."""
    mixed_PNN = ours_NN[orders_PN[:, :, None], orders_PN[:, None, :]]
    sums_P = np.einsum("pij,ij->p", mixed_PNN, theirs_NN)
    return int((np.abs(sums_P) >= abs(seen) - 1e-9).sum())
