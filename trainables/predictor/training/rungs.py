"""Which lanes of a pack go on after a rung of an exploration."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainables.predictor.config import Structure
from trainables.predictor.scores import Scores


def better_half(
    structure: Structure, epochs: int, healthy: Sequence[int], scores: Sequence[Scores]
) -> list[int]:
    """The places of the lanes that go on after so many ``epochs``, in order.

    They are all healthy ones or, at a rung, at most half of the pack: those that the objective ranks best.

    Args:
        healthy: places of the lanes that have not diverged.
        scores: of every lane in the pack.
    """
    every = structure.rung_epochs
    if not every or epochs % every or epochs >= structure.epochs:
        return list(healthy)

    def rank(place: int) -> tuple[float, int]:
        value = scores[place].value(structure.objective)
        return (-value if math.isfinite(value) else math.inf, place)

    return sorted(sorted(healthy, key=rank)[: math.ceil(len(scores) / 2)])
