"""From evidence to intervals: which replicates count, what they measured, and on whom.

Only finished replicates count. One whose numbers are not finite is dropped and counted, never read as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.evidence import Evidence, Replicate
from orchestrator.statistics.intervals import (
    Array,
    Interval,
    borrow_seeds,
    difference,
    interval,
    over_speakers,
)
from trainables.predictor.scores import Scores

LISTENING = "continuation_quality"
Cells = tuple[list[int], list[str], Array, Array]  # seeds, speakers, numerators and denominators [R, S]


@dataclass(frozen=True)
class _Measured:
    """A finished replicate with its scores parsed once."""

    replicate: Replicate
    scores: Scores


class Measures:
    """Intervals of any metric of any arm, at ``level``; parsed scores are kept."""

    def __init__(self, evidence: Evidence, level: float = 0.95) -> None:
        self.level = level
        self._dropped: dict[tuple[str, str, str], int] = {}
        self._baselines = {name: Scores.from_json(scores) for name, scores in evidence.baselines.items()}
        self._lanes: dict[tuple[str, str], list[_Measured]] = {}
        for name, arm in evidence.arms.items():
            for replicate in (*arm.replicates, *arm.nulls):
                if replicate.status == "finished" and replicate.scores is not None:
                    lane = _Measured(replicate, Scores.from_json(replicate.scores))
                    self._lanes.setdefault((name, replicate.surrogate), []).append(lane)

    def finished(self, arm: str, surrogate: str = "real") -> int:
        """How many replicates of an arm have finished."""
        return len(self._lanes.get((arm, surrogate), []))

    def speakers(self, arm: str) -> int:
        """How many test speakers an arm was judged on."""
        return max((len(lane.scores.speakers) for lane in self._lanes.get((arm, "real"), [])), default=0)

    def dropped(self, arm: str, metric: str) -> int:
        """How many finished replicates gave no finite number for a metric that has been asked for."""
        return self._dropped.get((arm, metric, "real"), 0)

    def horizon(self) -> int:
        """K: rollout steps that every lane was evaluated on (0 where no lane finished)."""
        return min((lane.scores.horizon for lanes in self._lanes.values() for lane in lanes), default=0)

    def value(
        self, arm: str, metric: str, *, versus: str | None = None, surrogate: str = "real"
    ) -> Interval | None:
        """The metric of an arm (minus that of ``versus``, paired by seed and speaker), or None: not measured.

        A null that ran on a single seed borrows the spread between seeds of the arm on real frames: its own
        interval would know of speakers alone, and be too narrow.
        """
        found = self._value(arm, metric, versus, surrogate)
        if surrogate == "real" or found is None or found.n_seeds > 1:
            return found
        return borrow_seeds(found, self._value(arm, metric, versus, "real"))

    def _value(self, arm: str, metric: str, versus: str | None, surrogate: str) -> Interval | None:
        if metric == LISTENING:
            return self._listening(arm, versus, surrogate)
        own = self._cells(arm, metric, surrogate)
        if own is None:
            return None
        if versus is None:
            return _counted(interval, own[2], own[3], self.level)
        other = self._cells(versus, metric, surrogate)
        paired = None if other is None else _pair(own, other)
        return None if paired is None else _counted(difference, *paired, self.level)

    def baseline(self, name: str, metric: str) -> Interval | None:
        """The metric of a rule that learns nothing, over speakers."""
        cells = _from_scores(self._baselines[name], metric) if name in self._baselines else None
        if cells is None or not np.isfinite(cells[1]).all():
            return None
        return _counted(over_speakers, cells[1], cells[2], self.level)

    def curve(self, arm: str, name: str, surrogate: str = "real") -> list[Interval | None]:
        """A rollout curve (``cos``, ``magnitude_ratio``, ``state_error``) at k = 1..K."""
        return [self.value(arm, f"{name}@{k}", surrogate=surrogate) for k in range(1, self.horizon() + 1)]

    def _listening(self, arm: str, versus: str | None, surrogate: str) -> Interval | None:
        """Over speakers and seeds where every seed was heard on every speaker, else over speakers alone."""
        heard = _figures(self._lanes.get((arm, surrogate), []))
        if versus is not None:
            other = _figures(self._lanes.get((versus, surrogate), []))
            heard = {key: heard[key] - other[key] for key in heard if key in other}
        if not heard:
            return None
        seeds, speakers = sorted({key[0] for key in heard}), sorted({key[1] for key in heard})
        cells = [[[v for k, v in heard.items() if k[:2] == (r, s)] for s in speakers] for r in seeds]
        numerators_RS = np.array([[sum(cell) for cell in row] for row in cells], dtype=np.float64)
        denominators_RS = np.array([[len(cell) for cell in row] for row in cells], dtype=np.float64)
        if denominators_RS.all():
            return interval(numerators_RS, denominators_RS, self.level)
        return over_speakers(numerators_RS.sum(0), denominators_RS.sum(0), self.level)

    def _cells(self, arm: str, metric: str, surrogate: str) -> Cells | None:
        lanes = self._lanes.get((arm, surrogate), [])
        rows = {lane.replicate.seed: _from_scores(lane.scores, metric) for lane in lanes}
        sound = {seed: row for seed, row in rows.items() if row is not None and np.isfinite(row[1]).all()}
        self._dropped[arm, metric, surrogate] = len(rows) - len(sound)
        if not sound:
            return None
        speakers = sorted(set.intersection(*(set(row[0]) for row in sound.values())))
        seeds = sorted(sound)
        numerators = [_in_order(sound[seed][0], sound[seed][1], speakers) for seed in seeds]
        denominators = [_in_order(sound[seed][0], sound[seed][2], speakers) for seed in seeds]
        return seeds, speakers, np.array(numerators), np.array(denominators)


def log_magnitude_cells(scores: Scores) -> tuple[Array, Array]:
    """R2 of log m as a ratio of sums per speaker: (spread - squared error) / spread, about the mean."""
    total, count = scores.sums["log_magnitude"], scores.counts["log_magnitude"]
    mean = total.sum() / max(count.sum(), 1)
    spread = scores.sums["log_magnitude_squared"] - 2 * mean * total + mean**2 * count
    return spread - scores.sums["log_magnitude_squared_error"], spread


def _from_scores(scores: Scores, metric: str) -> tuple[list[str], Array, Array] | None:
    try:
        cells = log_magnitude_cells(scores) if metric == "log_magnitude_r2" else scores.per_speaker(metric)
    except (KeyError, IndexError):
        return None
    return scores.speakers, *cells


def _in_order(speakers: list[str], values: Array, wanted: list[str]) -> Array:
    row = {speaker: i for i, speaker in enumerate(speakers)}
    return values[[row[speaker] for speaker in wanted]]


def _figures(lanes: list[_Measured]) -> dict[tuple[int, str, str], float]:
    """Quality per (seed, speaker, utterance); an utterance whose figure is not finite is left out."""
    return {
        (lane.replicate.seed, figure["speaker_id"], figure["utterance_id"]): float(figure[LISTENING])
        for lane in lanes
        for figure in lane.replicate.listening
        if figure.get(LISTENING) is not None and np.isfinite(figure[LISTENING])
    }


def _pair(own: Cells, other: Cells) -> tuple[Array, Array, Array, Array] | None:
    seeds = sorted(set(own[0]) & set(other[0]))
    speakers = sorted(set(own[1]) & set(other[1]))
    if not seeds or not speakers:
        return None
    arrays = []
    for cells in (own, other):
        rows = [cells[0].index(seed) for seed in seeds]
        columns = [cells[1].index(speaker) for speaker in speakers]
        arrays += [cells[2][np.ix_(rows, columns)], cells[3][np.ix_(rows, columns)]]
    return arrays[0], arrays[1], arrays[2], arrays[3]


def _counted(rule: Callable[..., Interval], *arguments: Any) -> Interval | None:
    try:
        return rule(*arguments)
    except ValueError:  # nothing was counted
        return None
