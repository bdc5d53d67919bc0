"""From evidence to intervals: which replicates count, what they measured, and on whom.

A replicate whose training diverged counts against its arm (:mod:`orchestrator.judging.failed_seeds`). One
that finished, but has a metric that is not finite, is left out of that metric alone, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.judging.failed_seeds import failed_numerators
from orchestrator.records.evidence import Evidence, Replicate
from orchestrator.statistics.intervals import (
    Interval,
    borrow_seeds,
    counted,
    difference,
    excess,
    interval,
    over_speakers,
)
from orchestrator.statistics.mean_squares import Array
from orchestrator.statistics.speaker_cells import Table, from_scores, in_order, paired
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import MARGINALS, LaneStatus, Scores

LISTENING = "continuation_quality"


@dataclass(frozen=True)
class _Measured:
    """A finished replicate with its scores parsed once."""

    replicate: Replicate
    scores: Scores


class Measures:
    """Intervals of any metric of any arm at ``level``, from scores that are parsed once."""

    def __init__(self, evidence: Evidence, level: float = 0.95) -> None:
        self.level = level
        self.ratings = evidence.ratings  # of listeners; empty where none was asked
        self._dropped: dict[tuple[str, str, Surrogate], int] = {}
        self._baselines = {name: Scores.from_json(scores) for name, scores in evidence.baselines.items()}
        self._ridges = {name: Scores.from_json(arm.ridge) for name, arm in evidence.arms.items() if arm.ridge}
        self._lanes: dict[tuple[str, Surrogate], list[_Measured]] = {}
        self._failed: dict[tuple[str, Surrogate], list[int]] = {}  # seeds whose training diverged
        for name, arm in evidence.arms.items():
            for replicate in (*arm.replicates, *arm.nulls, *arm.plants):
                if replicate.status == LaneStatus.FINISHED and replicate.scores is not None:
                    lane = _Measured(replicate, Scores.from_json(replicate.scores))
                    self._lanes.setdefault((name, replicate.surrogate), []).append(lane)
                else:
                    self._failed.setdefault((name, replicate.surrogate), []).append(replicate.seed)

    def finished(self, arm: str, surrogate: Surrogate = Surrogate.REAL) -> int:
        """How many replicates of an arm have finished."""
        return len(self._lanes.get((arm, surrogate), []))

    def failed(self, arm: str, surrogate: Surrogate = Surrogate.REAL) -> list[int]:
        """Seeds of an arm whose training diverged."""
        return self._failed.get((arm, surrogate), [])

    def marginal(self, arm: str) -> str:
        """The density without a past that the arm's predictive information on real frames is against, in
        words: the one that suits validation speakers best; "" where no lane finished.
        """
        lanes = self._lanes.get((arm, Surrogate.REAL), [])
        return MARGINALS[lanes[0].scores.marginal] if lanes else ""

    def speakers(self, arm: str) -> int:
        """How many test speakers an arm was judged on."""
        return max(
            (len(lane.scores.speakers) for lane in self._lanes.get((arm, Surrogate.REAL), [])), default=0
        )

    def dropped(self, arm: str, metric: str) -> int:
        """How many finished replicates gave no finite number for a metric; 0 until it is asked for."""
        return self._dropped.get((arm, metric, Surrogate.REAL), 0)

    def horizon(self, arm: str | None = None) -> int:
        """The rollout steps, K, that every lane (of an arm) was evaluated on; 0 where no lane finished."""
        groups = [lanes for (name, _), lanes in self._lanes.items() if arm in (None, name)]
        return min((lane.scores.horizon for lanes in groups for lane in lanes), default=0)

    def value(
        self, arm: str, metric: str, *, versus: str | None = None, surrogate: Surrogate = Surrogate.REAL
    ) -> Interval | None:
        """The metric of an arm (minus that of ``versus``, paired by seed and speaker); None: not measured.

        A null that ran on a single seed borrows the spread between seeds from the arm on real frames: its own
        interval would reflect the spread between speakers only, and be too narrow.
        """
        measured = self._value(arm, metric, versus, surrogate)
        if surrogate == Surrogate.REAL or measured is None or measured.n_seeds > 1:
            return measured
        return borrow_seeds(measured, self._value(arm, metric, versus, Surrogate.REAL))

    def _value(self, arm: str, metric: str, versus: str | None, surrogate: Surrogate) -> Interval | None:
        if metric == LISTENING:
            return self._listening(arm, versus, surrogate)
        sides = self.sides(arm, metric, versus, surrogate)
        if sides is None:
            return None
        rule = interval if versus is None else difference
        return counted(rule, *(values for side in sides for values in side.cells), self.level)

    def excess(
        self, arm: str, metric: str, versus: str | None = None, null: Surrogate = Surrogate.WHITE
    ) -> Interval | None:
        """The metric (minus that of ``versus``) minus its own value on a null, paired by speaker.

        None where either was not measured.
        """
        surrogates = (Surrogate.REAL, null)
        real, without = (self.sides(arm, metric, versus, surrogate) for surrogate in surrogates)
        if real is None or without is None:
            return None
        shared = sorted(set(real[0].speakers) & set(without[0].speakers))
        cells = [[side.part(side.seeds, shared).cells for side in sides] for sides in (real, without)]
        return counted(excess, *cells, self.level)

    def ridge(self, arm: str, metric: str) -> Interval | None:
        """The metric of ridge regression on the past that an arm is given, over speakers."""
        return self._over_speakers(self._ridges.get(arm), metric)

    def beyond_ridge(self, arm: str, metric: str) -> Interval | None:
        """The metric of an arm minus that of ridge regression on the same past, paired by speaker: every seed
        has the same ridge.
        """
        cells = _sound_cells(self._ridges.get(arm), metric)
        table = self._table(arm, metric, Surrogate.REAL)
        if cells is None or table is None or set(cells[0]) != set(table.speakers):
            return None
        row = [in_order(cells[0], values, table.speakers) for values in cells[1:]]
        same = [np.repeat(values[None], len(table.seeds), 0) for values in row]
        return counted(difference, *table.cells, *same, self.level)

    def frame_rate(self, arm: str) -> float | None:
        """The rate in Hz of the frames that an arm was judged on; None where no lane finished."""
        rates = [lane.scores.frame_rate for lane in self._lanes.get((arm, Surrogate.REAL), [])]
        return rates[0] if rates else None

    def sides(self, arm: str, metric: str, versus: str | None, surrogate: Surrogate) -> list[Table] | None:
        """The cells of a metric: one table, or with ``versus`` two tables paired by seed and speaker.

        None where a table was not measured, or the two share no seed or no speaker.
        """
        table = self._table(arm, metric, surrogate)
        if table is None or versus is None:
            return None if table is None else [table]
        other = self._table(versus, metric, surrogate)
        return None if other is None else paired(table, other)

    def baseline(self, name: str, metric: str) -> Interval | None:
        """The metric of a baseline that learns nothing, over speakers; None where it was not measured."""
        return self._over_speakers(self._baselines.get(name), metric)

    def _over_speakers(self, scores: Scores | None, metric: str) -> Interval | None:
        cells = _sound_cells(scores, metric)
        return None if cells is None else counted(over_speakers, cells[1], cells[2], self.level)

    def curve(self, arm: str, name: str, surrogate: Surrogate = Surrogate.REAL) -> list[Interval | None]:
        """A rollout curve (``cos``, ``magnitude_ratio``, ``state_error``) as intervals at k = 1..K."""
        return [self.value(arm, f"{name}@{k}", surrogate=surrogate) for k in range(1, self.horizon(arm) + 1)]

    def _listening(self, arm: str, versus: str | None, surrogate: Surrogate) -> Interval | None:
        """The continuation quality over speakers and seeds; over speakers alone if a seed lacks a speaker."""
        qualities = self._qualities(arm, surrogate)
        if versus is not None:
            other = self._qualities(versus, surrogate)
            qualities = {key: qualities[key] - other[key] for key in qualities if key in other}
        return self._over_utterances(qualities)

    def above_floor(self, arm: str, floor: str) -> Interval | None:
        """Continuation quality less that of a floor, paired by utterance; None where it was not measured."""
        lanes = self._lanes.get((arm, Surrogate.REAL), [])
        heard, floors = _figures(lanes), _figures(lanes, floor)
        return self._over_utterances({key: heard[key] - floors[key] for key in heard if key in floors})

    def _over_utterances(self, qualities: dict[tuple[int, str, str], float]) -> Interval | None:
        """The mean of figures per (seed, speaker, utterance), over speakers and seeds."""
        if not qualities:
            return None
        seeds, speakers = sorted({key[0] for key in qualities}), sorted({key[1] for key in qualities})
        cells = [[[v for k, v in qualities.items() if k[:2] == (r, s)] for s in speakers] for r in seeds]
        numerators_RS = np.array([[sum(cell) for cell in row] for row in cells], dtype=np.float64)
        denominators_RS = np.array([[len(cell) for cell in row] for row in cells], dtype=np.float64)
        if denominators_RS.all():
            return interval(numerators_RS, denominators_RS, self.level)
        return over_speakers(numerators_RS.sum(0), denominators_RS.sum(0), self.level)

    def _qualities(self, arm: str, surrogate: Surrogate) -> dict[tuple[int, str, str], float]:
        """Continuation quality per (seed, speaker, utterance): 0 of a seed whose training diverged."""
        qualities = _figures(self._lanes.get((arm, surrogate), []))
        heard = sorted({key[1:] for key in qualities})
        return qualities | {(seed, *key): 0.0 for seed in self.failed(arm, surrogate) for key in heard}

    def _table(self, arm: str, metric: str, surrogate: Surrogate) -> Table | None:
        lanes = self._lanes.get((arm, surrogate), [])
        rows = {lane.replicate.seed: from_scores(lane.scores, metric) for lane in lanes}
        sound = {seed: row for seed, row in rows.items() if row is not None and np.isfinite(row[1]).all()}
        self._dropped[arm, metric, surrogate] = len(rows) - len(sound)
        if not sound:
            return None
        speakers = sorted(set.intersection(*(set(row[0]) for row in sound.values())))
        seeds, failed = sorted(sound), self.failed(arm, surrogate)
        numerators_RS = np.array([in_order(sound[seed][0], sound[seed][1], speakers) for seed in seeds])
        denominators_RS = np.array([in_order(sound[seed][0], sound[seed][2], speakers) for seed in seeds])
        if failed:
            worst_S = failed_numerators(metric, numerators_RS, denominators_RS)
            numerators_RS = np.vstack([numerators_RS, *[worst_S] * len(failed)])
            denominators_RS = np.vstack([denominators_RS, *[denominators_RS[0]] * len(failed)])
        whole = Table([*seeds, *failed], speakers, (numerators_RS, denominators_RS))
        return whole.part(sorted(whole.seeds), speakers)


def _sound_cells(scores: Scores | None, metric: str) -> tuple[list[str], Array, Array] | None:
    """Speakers, numerators and denominators, each [S], of a rule that has no seeds; None where the metric was
    not measured, or is no number.
    """
    cells = None if scores is None else from_scores(scores, metric)
    return cells if cells is not None and np.isfinite(cells[1]).all() else None


def _figures(lanes: list[_Measured], name: str = LISTENING) -> dict[tuple[int, str, str], float]:
    """Quality per (seed, speaker, utterance); an utterance whose figure is not finite is left out."""
    return {
        (lane.replicate.seed, figure["speaker_id"], figure["utterance_id"]): float(figure[name])
        for lane in lanes
        for figure in lane.replicate.listening
        if figure.get(name) is not None and np.isfinite(figure[name])
    }
