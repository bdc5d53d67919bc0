"""Which cell is whose: metrics of replicates laid out by seed and speaker, and paired by both.

Shapes: R seeds, S speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.statistics.mean_squares import Array
from orchestrator.statistics.ratios import Cells
from trainables.predictor.scores import Scores


@dataclass(frozen=True)
class Table:
    """Cells [R, S] with the seeds of their rows and the speakers of their columns."""

    seeds: list[int]
    speakers: list[str]
    cells: Cells

    def part(self, seeds: Sequence[int], speakers: Sequence[str]) -> Table:
        """Some rows and columns, in the order given."""
        rows, columns = [self.seeds.index(r) for r in seeds], [self.speakers.index(s) for s in speakers]
        numerators_RS, denominators_RS = (values[np.ix_(rows, columns)] for values in self.cells)
        return Table(list(seeds), list(speakers), (numerators_RS, denominators_RS))


def paired(own: Table, other: Table) -> list[Table] | None:
    """Both on the seeds and speakers that they share, None where they share none of either."""
    seeds = sorted(set(own.seeds) & set(other.seeds))
    speakers = sorted(set(own.speakers) & set(other.speakers))
    return [own.part(seeds, speakers), other.part(seeds, speakers)] if seeds and speakers else None


def log_magnitude_cells(scores: Scores) -> tuple[Array, Array]:
    """R2 of log m as a ratio of sums per speaker: (spread - squared error) / spread, about the mean."""
    total, count = scores.sums["log_magnitude"], scores.counts["log_magnitude"]
    mean = total.sum() / max(count.sum(), 1)
    spread = scores.sums["log_magnitude_squared"] - 2 * mean * total + mean**2 * count
    return spread - scores.sums["log_magnitude_squared_error"], spread


def from_scores(scores: Scores, metric: str) -> tuple[list[str], Array, Array] | None:
    """Speakers [S], numerators [S] and denominators [S] of a metric, None where it was not measured."""
    try:
        cells = log_magnitude_cells(scores) if metric == "log_magnitude_r2" else scores.per_speaker(metric)
    except (KeyError, IndexError):
        return None
    return scores.speakers, *cells


def in_order(speakers: list[str], values: Array, wanted: list[str]) -> Array:
    """Values [S] of some speakers, in the order wanted."""
    row = {speaker: i for i, speaker in enumerate(speakers)}
    return values[[row[speaker] for speaker in wanted]]
