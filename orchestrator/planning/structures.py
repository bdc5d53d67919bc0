"""Which structures the packs of an arm try: all lanes of a pack share one, so that a pack can try no more.

Structures are the combinations of the structural settings that are searched. They are drawn without
replacement, so that none is tried twice before each was tried once; where there are fewer packs than
structures, those are tried that spread over the options of every setting most evenly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from search_spaces.domains import Choice, Domain, Integer
from trainables.lane_config import PREDICTOR, structural_settings

TIME_SUFFIX = "_ms"  # ending of the names of settings that are in milliseconds
_CONSIDERED = 4096  # structures, of which the packs' are chosen, where there are more


@dataclass(frozen=True)
class Coverage:
    """How many of an arm's structures its packs try."""

    tried: int
    structures: int
    trials: int  # that would try each of them

    @property
    def text(self) -> str:
        """The coverage as a clause."""
        if self.structures == 1:
            return "all configurations have one structure"
        if self.tried == self.structures:
            return f"each of {self.structures} structures is tried"
        return (
            f"{self.tried} of {self.structures} structures are tried; --trials {self.trials} would try each"
        )


def combinations(space: Mapping[str, Domain]) -> list[dict[str, Any]]:
    """All combinations of the settings whose every option has to be tried, the first setting varying fastest;
    [{}] where there are no such settings.
    """
    each = {n: d.options for n, d in space.items() if isinstance(d, Choice) and d.each}
    return [dict(zip(reversed(each), row, strict=True)) for row in product(*reversed(each.values()))]


def is_structural(setting: str, trainable: str = PREDICTOR) -> bool:
    """Whether all lanes of a pack share a setting of a trainable."""
    return setting.removesuffix(TIME_SUFFIX) in structural_settings(trainable)


def coverage(space: Mapping[str, Domain], trials: int, lanes: int, trainable: str = PREDICTOR) -> Coverage:
    """How many of a space's structures the packs of an exploration try."""
    structures = math.prod(map(len, _options(space, trainable).values()))
    return Coverage(min(math.ceil(trials / lanes), structures), structures, structures * lanes)


def structures(
    space: Mapping[str, Domain], packs: int, seed: int, trainable: str = PREDICTOR
) -> list[dict[str, Any]]:
    """The structures of the first packs, in order: as many as there are, or as there are packs.

    The first of them hold every combination of the settings whose every option has to be tried. A structural
    setting without a list of options, such as a real number, is none of them: it is drawn anew for each pack.
    """
    options = _options(space, trainable)
    sizes = [len(values) for values in options.values()]
    total = math.prod(sizes)
    places = random.Random(seed).sample(range(total), min(total, max(packs, _CONSIDERED)))
    candidates = np.stack(np.unravel_index(places, sizes), 1) if sizes else np.zeros((1, 0), np.int64)
    place = {name: i for i, name in enumerate(options)}
    due = [
        {place[name]: options[name].index(value) for name, value in combination.items()}
        for combination in combinations({name: space[name] for name in options})
    ]
    rows = _spread(candidates, sizes, due, min(packs, total))
    return [
        {name: values[option] for (name, values), option in zip(options.items(), row, strict=True)}
        for row in rows
    ]


def _spread(
    candidates: np.ndarray, sizes: Sequence[int], due: Sequence[Mapping[int, int]], count: int
) -> list[np.ndarray]:
    """So many of the candidates [N, settings], each the one whose options were used least so far; the first
    ones have the options of ``due``, by setting.
    """
    load = np.zeros(len(candidates))  # how often the options of each were used; inf where it was taken
    rows: list[np.ndarray] = []
    for number in range(count):
        wanted = due[number] if number < len(due) else {}
        pick = int(np.argmin(load))
        if wanted:
            misses = sum((candidates[:, i] != option for i, option in wanted.items()), np.zeros(len(load)))
            pick = int(np.lexsort((load, misses, np.isinf(load)))[0])
        row = candidates[pick].copy()
        for i, option in wanted.items():
            row[i] = option
        for i, size in enumerate(sizes):
            load += size * (candidates[:, i] == row[i])
        load[pick] = np.inf
        rows.append(row)
    return rows


def _options(space: Mapping[str, Domain], trainable: str) -> dict[str, tuple[Any, ...]]:
    """The options of each structural setting that has a list of them."""
    options: dict[str, tuple[Any, ...]] = {}
    for name, domain in space.items():
        if is_structural(name, trainable) and isinstance(domain, Choice):
            options[name] = domain.options
        elif is_structural(name, trainable) and isinstance(domain, Integer):
            options[name] = tuple(range(domain.low, domain.high + 1))
    return options
