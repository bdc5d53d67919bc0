"""Figures over speakers alone: of one set of scores, and of one minus another, paired by speaker."""

from __future__ import annotations

from orchestrator.statistics.intervals import Interval, counted, difference, over_speakers
from orchestrator.statistics.mean_squares import Array
from orchestrator.statistics.speaker_cells import in_order

BySpeaker = tuple[list[str], Array, Array]  # speakers [S], numerators [S], denominators [S]


def of_speakers(cells: BySpeaker | None, level: float = 0.95) -> Interval | None:
    """A figure, None where it was not measured or nothing was counted."""
    return None if cells is None else counted(over_speakers, cells[1], cells[2], level)


def less(own: BySpeaker | None, other: BySpeaker | None, level: float = 0.95) -> Interval | None:
    """One figure minus another, over the speakers that both know; None where none was counted in both."""
    if own is None or other is None:
        return None
    shared = sorted(set(own[0]) & set(other[0]))
    sides = [in_order(side[0], values, shared)[None] for side in (own, other) for values in side[1:]]
    return counted(difference, *sides, level)
