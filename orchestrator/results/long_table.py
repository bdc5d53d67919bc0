"""The long table: all that a verdict rests on, one number a row, for other programs and for the judge.

A row has an arm, a seed, a unit (a speaker), a metric, perhaps a step of the rollout, and a value, which is a
``sum`` over a ``count``. ``surrogate`` says on which frames: real ones, a null or a plant. What is no such
measurement has another ``kind``: the best that is possible on a plant, a learning curve, a setting.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from orchestrator.records.evidence import ArmEvidence, Evidence, Replicate
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores

CONTINUATION_FIGURES = ("continuation_quality", "frozen_quality", "mean_quality")  # of one utterance each
# Of a phase of training: whether patience ended it, and when it was best: -1 of one that only harmed.
COURSE_FIGURES = ("out_of_patience", "best_epoch", "best_loss")


class RowKind(StrEnum):
    """What a row of the long table tells."""

    MEASURED = "measured"  # a metric on one unit
    RIDGE = "ridge"  # ... of ridge regression on the past that the arm is given
    DIVERGED = "diverged"  # that the training of this seed diverged
    OPTIMUM = "optimum"  # the best possible value of a metric on a plant
    TRAINING = "training"  # a figure of one epoch, on validation speakers
    ABOUT = "about"  # a fact about the arm, or about all data where no arm is named


LONG_SCHEMA = pa.schema(
    {
        "study": pa.string(),
        "arm": pa.string(),
        "seed": pa.int64(),
        "unit": pa.string(),
        "metric": pa.string(),
        "step": pa.int64(),
        "value": pa.float64(),
        "surrogate": pa.string(),
        "kind": pa.string(),
        "sum": pa.float64(),
        "count": pa.float64(),
        "utterance": pa.string(),
        "epoch": pa.int64(),
        "phase": pa.string(),
        "text": pa.string(),
    }
)
_Row = dict[str, Any]


def long_rows(evidence: Evidence) -> pa.Table:
    """The long table of a run's evidence, with the columns of :data:`LONG_SCHEMA`."""
    rows = [*_about(evidence), *_optima(evidence)]
    for name, arm in evidence.arms.items():
        rows += [{"arm": name, **row} for row in _of_arm(arm)]
    return pa.Table.from_pylist([{"study": evidence.study, **row} for row in rows], LONG_SCHEMA)


def write_long_table(table: pa.Table, path: Path) -> None:
    """Write a table as CSV or Parquet, as the name of the file ends.

    Raises:
        InputError: it ends in something else.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path} ends in {path.suffix!r}; name a file that ends in .csv or .parquet")
    buffer = pa.BufferOutputStream()
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, buffer)
    else:
        pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue().to_pybytes())


def score_rows(scores: Scores) -> Iterator[_Row]:
    """The sums and counts of a lane's scores, one row for each speaker, metric and step."""
    for metric, sums in scores.sums.items():
        counts = scores.counts[metric]
        for row, speaker in enumerate(scores.speakers):
            if sums.ndim == 1:
                yield _cell(speaker, metric, None, float(sums[row]), float(counts[row]))
                continue
            for k in range(sums.shape[1]):
                yield _cell(speaker, metric, k + 1, float(sums[row, k]), float(counts[row, k]))


def training_rows(replicate: Replicate) -> Iterator[_Row]:
    """The figures of each epoch of a replicate, and how each phase went as a whole."""
    for entry in replicate.history:
        place = {"epoch": entry.get("epoch"), "phase": entry.get("phase")}
        for metric, value in entry.items():
            if metric not in place and isinstance(value, int | float) and not isinstance(value, bool):
                yield {**place, "metric": metric, "value": float(value)}
    for phase, course in replicate.courses.items():
        for metric in COURSE_FIGURES:
            value = float(course.get(metric, math.nan))
            if math.isfinite(value):
                yield {"phase": phase, "metric": metric, "value": value}


def _cell(unit: str, metric: str, step: int | None, total: float, count: float) -> _Row:
    value = total / count if count else None
    return {"unit": unit, "metric": metric, "step": step, "value": value, "sum": total, "count": count}


def _about(evidence: Evidence) -> Iterator[_Row]:
    about = {"kind": RowKind.ABOUT}
    data = {key: value for key, value in evidence.data.items() if key not in ("path", "source", "weights")}
    yield {**about, "metric": "data", "text": json.dumps(data)}
    yield {**about, "metric": "look", "value": float(evidence.look)}
    yield {**about, "metric": "smoke", "value": float(bool(evidence.provenance.get("smoke")))}
    if evidence.seal:
        asked = {name: evidence.seal["study"][name] for name in ("effort", "settings")}
        names = {"representation": evidence.seal.get("data", {}).get("representation", "")}
        yield {**about, "metric": "asked", "text": json.dumps({"study": asked, "data": names})}
    if evidence.ratings:
        yield {**about, "metric": "ratings", "text": json.dumps(evidence.ratings)}


def _optima(evidence: Evidence) -> Iterator[_Row]:
    """The best possible cosines on plants, of each arm's own representation."""
    for name, arm in evidence.arms.items():
        representation = getattr(arm.config.structure, "representation", "")
        planted = evidence.plants.get(representation or evidence.data.get("representation", ""), {})
        for plant, best in planted.items():
            for k, value in enumerate(best["cos"], 1):
                place = {"arm": name, "surrogate": plant, "metric": "cos", "step": k}
                yield {"kind": RowKind.OPTIMUM, **place, "value": float(value)}


def _of_arm(arm: ArmEvidence) -> Iterator[_Row]:
    about = {"kind": RowKind.ABOUT}
    yield {**about, "metric": "settings", "text": json.dumps(arm.config.to_json())}
    lanes = (*arm.replicates, *arm.nulls, *arm.plants)
    scored = [Scores.from_json(lane.scores) for lane in lanes if lane.scores is not None]
    for scores in scored[:1]:
        yield {**about, "metric": "frame_rate", "value": scores.frame_rate}
    for lane in lanes:
        place = {"seed": lane.seed, "surrogate": str(lane.surrogate)}
        yield from ({**place, **row} for row in _of_lane(lane))
    if arm.ridge:
        yield from ({"kind": RowKind.RIDGE, **row} for row in score_rows(Scores.from_json(arm.ridge)))


def _of_lane(lane: Replicate) -> Iterator[_Row]:
    if lane.status != LaneStatus.FINISHED or lane.scores is None:
        yield {"kind": RowKind.DIVERGED, "metric": "diverged", "value": 1.0}
        return
    scores = Scores.from_json(lane.scores)
    yield {"kind": RowKind.ABOUT, "metric": "marginal", "text": scores.marginal}
    yield from ({"kind": RowKind.MEASURED, **row} for row in score_rows(scores))
    if lane.surrogate == Surrogate.REAL:
        yield from ({"kind": RowKind.TRAINING, **row} for row in training_rows(lane))
    for figure in lane.listening:
        yield from _heard(figure)


def _heard(figure: Mapping[str, Any]) -> Iterator[_Row]:
    place = {"unit": figure["speaker_id"], "utterance": figure["utterance_id"]}
    for metric in CONTINUATION_FIGURES:
        if figure.get(metric) is not None:
            yield {"kind": RowKind.MEASURED, **place, "metric": metric, "value": float(figure[metric])}
