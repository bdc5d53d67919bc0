"""Whether a search told its configurations apart, or chose among equals.

The objective of a lane, measured on one half of the validation speakers or another, is
``configuration + luck of the lane's seed + what this lane does on these speakers``. Two rank correlations
take it apart:

- *halves*: of all configurations, between halves of the speakers, as the mean over many ways to halve them.
  What makes one speaker harder than another is the same for every configuration, and leaves ranks as they
  are. It is above zero where lanes differ by more than the noise of measuring them; but a lane that was lucky
  with its seed stands out on both halves, and so this alone says nothing of its configuration.
- *seeds*: of a few configurations, between the seed of the exploration and a second one. Luck does not come
  twice, so that it is above zero only where configurations differ.

Each is tested by permutation. Were all lanes alike, then those of one speaker could change places, which
gives the distribution of the mean over halves, however much the halves have in common. Were all
configurations alike, then so could the lanes on the second seed: K of them have K! orders, each as probable
as the others, and the smallest p that they can show is 1 / K!. Of three that is 0.17, of four 0.04, which
only the very same order reaches; with eight, the default, configurations that differ four times as much as
seeds do are told apart in four of five explorations (``python -m benchmarks.reliability``).

Configurations are told apart where both p are at most 5 %. No correction is needed for asking twice, since
both have to hold (an intersection-union test); where one was not measured, they are not told apart.

Shapes: C configurations, S speakers, H ways to halve them, P permutations, K configurations on two seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations, permutations
from typing import Any

import numpy as np
from scipy.stats import rankdata

from orchestrator.statistics.mean_squares import Array

EQUALS = "the search chose among equals"
UNTOLD = "so few configurations cannot be told apart"
ALPHA = 0.05
_HALVINGS = 32
_FEWEST = 3  # configurations of which ranks can be compared
_WORK, _AT_ONCE = 4_000_000, 500_000  # ranks, in all permutations together, and in memory
_MOST_PERMUTATIONS, _FEWEST_PERMUTATIONS = 999, 99
_MOST_ORDERS = 8  # configurations of which every order is tried


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A rank correlation of configurations between two measurements of them."""

    correlation: float
    # One-sided p of a correlation at least as large where none is there, and the smallest one that so few
    # configurations can show.
    p: float
    least_p: float
    configurations: int

    @property
    def is_positive(self) -> bool:
        """Whether it can be distinguished from zero."""
        return self.p <= ALPHA


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """What says whether a search told its configurations apart; None where it was not measured."""

    halves: Agreement | None
    seeds: Agreement | None
    speakers: int  # of validation

    @property
    def told_apart(self) -> bool:
        """Whether configurations differ by more than noise and luck."""
        return all(part is not None and part.is_positive for part in (self.halves, self.seeds))

    @property
    def measured(self) -> bool:
        """Whether there were configurations enough for either rank correlation."""
        return self.halves is not None or self.seeds is not None

    def to_json(self) -> dict[str, Any]:
        """The reliability as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reliability:
        """The reliability that :meth:`to_json` wrote."""
        parts = {name: data[name] and Agreement(**data[name]) for name in ("halves", "seeds")}
        return cls(**parts, speakers=data["speakers"])


def agreement_of_halves(numerators_CS: Array, denominators_CS: Array) -> Agreement | None:
    """The rank correlation of configurations between halves of the speakers.

    Speakers of whom some configuration has nothing are left out. None where fewer than two speakers or three
    configurations remain.

    Args:
        numerators_CS: sums of the objective per configuration and speaker, all on the first seed.
        denominators_CS: what to divide them by.
    """
    numerators_CS, denominators_CS = common_speakers(numerators_CS, denominators_CS)
    count, speakers = numerators_CS.shape
    if count < _FEWEST or speakers < 2:
        return None
    rng = np.random.default_rng(0)
    halves_HS = _halves(speakers, rng, _HALVINGS if count <= 200 else _HALVINGS // 4)
    work = count * len(halves_HS)
    drawn = min(_MOST_PERMUTATIONS, max(_FEWEST_PERMUTATIONS, _WORK // work))
    at_once = max(1, _AT_ONCE // work)
    (seen,) = _mean_correlations(numerators_CS[None], denominators_CS[None], halves_HS)
    reached = 0
    for first in range(0, drawn, at_once):
        order_PCS = rng.random((min(at_once, drawn - first), count, speakers)).argsort(1)
        sums_PCS = np.take_along_axis(numerators_CS[None], order_PCS, 1)
        counts_PCS = np.take_along_axis(denominators_CS[None], order_PCS, 1)
        reached += int((_mean_correlations(sums_PCS, counts_PCS, halves_HS) >= seen - 1e-12).sum())
    p = (1 + reached) / (1 + drawn)
    return Agreement(correlation=float(seen), p=p, least_p=1 / (1 + drawn), configurations=count)


def agreement_of_seeds(first_K: Array, second_K: Array) -> Agreement | None:
    """The rank correlation of configurations between their objectives on a first and on a second seed.

    None where there are fewer than three.
    """
    count = len(first_K)
    if count < _FEWEST:
        return None
    first_K, second_K = rankdata(first_K), rankdata(second_K)
    if count <= _MOST_ORDERS:
        orders_PK = _all_orders(count)
    else:
        rng = np.random.default_rng(0)
        drawn = [rng.permutation(count) for _ in range(_MOST_PERMUTATIONS)]
        orders_PK = np.stack([np.arange(count), *drawn])
    all_P = _correlations(np.broadcast_to(first_K, orders_PK.shape), second_K[orders_PK])
    p = float((all_P >= all_P[0] - 1e-12).mean())
    return Agreement(correlation=float(all_P[0]), p=p, least_p=1 / len(orders_PK), configurations=count)


@lru_cache
def _all_orders(count: int) -> Array:
    """Every order of so many things, [P, K], first the one as it is."""
    return np.array(list(permutations(range(count))))


def common_speakers(numerators_CS: Array, denominators_CS: Array) -> tuple[Array, Array]:
    """The columns of the speakers of whom every configuration has something."""
    both = (denominators_CS > 0).all(0) & np.isfinite(numerators_CS).all(0)
    return numerators_CS[:, both], denominators_CS[:, both]


def _halves(speakers: int, rng: np.random.Generator, most: int) -> Array:
    """Ways to halve the speakers, as 1 for those of one half and 0 for the others: all if they are few."""
    size = speakers // 2
    if math.comb(speakers, size) <= 2 * most:
        chosen = list(combinations(range(speakers), size))
        if speakers % 2 == 0:
            chosen = chosen[: len(chosen) // 2]  # the others are their complements, in reverse
    else:
        chosen = [tuple(rng.permutation(speakers)[:size]) for _ in range(most)]
    halves_HS = np.zeros((len(chosen), speakers))
    for row, members in zip(halves_HS, chosen, strict=True):
        row[list(members)] = 1
    return halves_HS


def _mean_correlations(numerators_PCS: Array, denominators_PCS: Array, halves_HS: Array) -> Array:
    """The rank correlation between the two halves, averaged over the ways to halve: [P]."""
    one_PHC, other_PHC = (
        rankdata((numerators_PCS @ part.T / (denominators_PCS @ part.T)).swapaxes(1, 2), axis=-1)
        for part in (halves_HS, 1 - halves_HS)
    )
    return _correlations(one_PHC, other_PHC).mean(1)


def _correlations(one: Array, other: Array) -> Array:
    """Pearson correlations along the last axis; 0 where all values of one side are equal."""
    one, other = (part - part.mean(-1, keepdims=True) for part in (one, other))
    scale = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    return np.where(scale > 0, (one * other).sum(-1) / np.where(scale > 0, scale, 1), 0.0)
