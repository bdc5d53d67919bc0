"""Metrics of replicates laid out in cells by seed and speaker, and paired by both.

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
    """Cells [R, S] of a metric, with the seeds of their rows and the speakers of their columns."""

    seeds: list[int]
    speakers: list[str]
    cells: Cells

    def part(self, seeds: Sequence[int], speakers: Sequence[str]) -> Table:
        """The cells of some seeds and speakers, in the order given."""
        rows, columns = [self.seeds.index(r) for r in seeds], [self.speakers.index(s) for s in speakers]
        numerators_RS, denominators_RS = (values[np.ix_(rows, columns)] for values in self.cells)
        return Table(list(seeds), list(speakers), (numerators_RS, denominators_RS))

    def seed_values(self) -> Array:
        """The metric of each seed over all speakers, [R]: sum of sums over sum of counts."""
        numerators_RS, denominators_RS = self.cells
        values_R: Array = numerators_RS.sum(1) / denominators_RS.sum(1)
        return values_R


def paired(first: Table, second: Table) -> list[Table] | None:
    """Two tables cut to the seeds and speakers that both have; None where they share no seed or speaker."""
    seeds = sorted(set(first.seeds) & set(second.seeds))
    speakers = sorted(set(first.speakers) & set(second.speakers))
    return [first.part(seeds, speakers), second.part(seeds, speakers)] if seeds and speakers else None


def log_magnitude_cells(scores: Scores) -> tuple[Array, Array]:
    """The sides [S] of the R2 of log m: (spread about the mean - squared error) / spread."""
    total, count = scores.sums["log_magnitude"], scores.counts["log_magnitude"]
    mean = total.sum() / max(count.sum(), 1)
    spread = scores.sums["log_magnitude_squared"] - 2 * mean * total + mean**2 * count
    return spread - scores.sums["log_magnitude_squared_error"], spread


def from_scores(scores: Scores, metric: str) -> tuple[list[str], Array, Array] | None:
    """Speakers, numerators and denominators, each [S], of a metric; None where it was not measured."""
    try:
        derived = metric == "log_magnitude_r2" and metric not in scores.sums
        cells = log_magnitude_cells(scores) if derived else scores.per_speaker(metric)
    except (KeyError, IndexError):
        return None
    return scores.speakers, *cells


def in_order(speakers: list[str], values: Array, wanted: list[str]) -> Array:
    """The values [S] of some speakers, reordered to the speakers ``wanted``."""
    row = {speaker: i for i, speaker in enumerate(speakers)}
    return values[[row[speaker] for speaker in wanted]]
