"""Densities of frames as intervals over speakers, and over seeds where a quantity has them.

Shapes: R replicates, S speakers, K rollout steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.statistics.intervals import Interval, difference, interval
from orchestrator.statistics.speaker_cells import Table, from_scores, in_order, paired
from trainables.analysis.frame_likelihoods import TRUE
from trainables.predictor.scores import Scores

DENSITY, SHARES = "log_density", ("off_manifold", "off_at_its_distance")


class Densities:
    """The densities of one representation, from what was scored; any of them with its interval."""

    def __init__(self, record: Mapping[str, Any], level: float = 0.95) -> None:
        self.level, self.noise, self.off = level, record["noise"], record["off"]
        self.mean_frame = float(record["mean_frame"])
        self.frames = {kind: [Scores.from_json(scores)] for kind, scores in record["frames"].items()}
        reconstructed = record["reconstructed"] or {}
        self.codec = {when: [Scores.from_json(scores)] for when, scores in reconstructed.items()}
        self.arms = {
            arm: [Scores.from_json(lane["scores"]) for lane in lanes if lane["scores"] is not None]
            for arm, lanes in record["arms"].items()
        }
        self.arms = {arm: lanes for arm, lanes in self.arms.items() if lanes}

    def horizon(self) -> int:
        """Rollout steps that every lane was scored on, K; 0 where there is no lane."""
        return min((lane.horizon for lanes in self.arms.values() for lane in lanes), default=0)

    def of(self, lanes: Sequence[Scores], metric: str) -> Interval | None:
        """A metric over speakers and seeds; None where it was not measured."""
        table = _table(lanes, metric)
        if table is None:
            return None
        measured = interval(*table.cells, self.level)
        if not metric.removeprefix(TRUE).startswith(SHARES):
            return measured
        return replace(
            measured, low=max(0.0, measured.low), high=min(1.0, measured.high)
        )  # no share lies outside

    def difference(
        self, lanes: Sequence[Scores], metric: str, others: Sequence[Scores], other: str
    ) -> Interval | None:
        """A metric minus another, paired by speaker and, where both have them, by seed."""
        table, other_table = _table(lanes, metric), _table(others, other)
        pair = None if table is None or other_table is None else paired(table, other_table)
        if pair is None:
            return None
        return difference(*pair[0].cells, *pair[1].cells, self.level)

    def loss(self, arm: str, k: int, metric: str = DENSITY) -> Interval | None:
        """Rolled-out states at step k minus the true frames at those times."""
        lanes = self.arms[arm]
        return self.difference(lanes, f"{metric}@{k}", lanes, f"{TRUE}{metric}@{k}")

    def noise_loss(self) -> Interval | None:
        """True frames with noise on them minus true frames."""
        return self.difference(self.frames["noise"], DENSITY, self.frames["true"], DENSITY)


def _table(lanes: Sequence[Scores], metric: str) -> Table | None:
    """Cells [R, S] over the speakers that all lanes share; a lane without a finite figure is left out."""
    measured = [cells for lane in lanes if (cells := from_scores(lane, metric)) is not None]
    sound = [cells for cells in measured if np.isfinite(cells[1]).all() and math.isfinite(cells[2].sum())]
    if not sound or not all(cells[2].sum() > 0 for cells in sound):
        return None
    speakers = sorted(set.intersection(*(set(cells[0]) for cells in sound)))
    above = np.array([in_order(names, values, speakers) for names, values, _ in sound])
    below = np.array([in_order(names, values, speakers) for names, _, values in sound])
    return Table(list(range(len(sound))), speakers, (above, below))
