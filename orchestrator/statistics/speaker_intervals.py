"""Intervals over speakers alone: of one metric, and of one minus another, paired by speaker."""

from __future__ import annotations

from orchestrator.statistics.intervals import Interval, counted, difference, over_speakers
from orchestrator.statistics.mean_squares import Array
from orchestrator.statistics.speaker_cells import in_order

BySpeaker = tuple[list[str], Array, Array]  # speakers [S], numerators [S], denominators [S]


def interval_over_speakers(cells: BySpeaker | None, level: float = 0.95) -> Interval | None:
    """The interval of a metric over speakers; None where it was not measured or all denominators are 0."""
    return None if cells is None else counted(over_speakers, cells[1], cells[2], level)


def paired_difference(
    first: BySpeaker | None, second: BySpeaker | None, level: float = 0.95
) -> Interval | None:
    """The interval of one metric minus another, over the speakers that both have; None if they share none."""
    if first is None or second is None:
        return None
    shared = sorted(set(first[0]) & set(second[0]))
    sides = [in_order(side[0], values, shared)[None] for side in (first, second) for values in side[1:]]
    return counted(difference, *sides, level)
