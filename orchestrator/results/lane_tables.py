"""The lanes of a run as Arrow tables: what each was told, what it scored, and how it learnt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from orchestrator.records.arm_evidence import Event, replicate
from orchestrator.records.evidence import Replicate
from orchestrator.records.lane_store import LaneStore
from orchestrator.records.phase import Phase
from orchestrator.results.long_table import score_rows, training_rows
from trainables.lane_config import LaneConfig
from trainables.predictor.scores import Scores

_LANE = {
    "phase": pa.string(),
    "arm": pa.string(),
    "index": pa.int64(),
    "seed": pa.int64(),
    "surrogate": pa.string(),
    "judged_on": pa.string(),
}
_OUTCOME = {
    "status": pa.string(),
    "objective": pa.float64(),
    "seconds": pa.float64(),
    "parameters": pa.int64(),
    "reused": pa.bool_(),
    "key": pa.string(),
}
_SCORE = {
    "speaker": pa.string(),
    "metric": pa.string(),
    "step": pa.int64(),
    "value": pa.float64(),
    "sum": pa.float64(),
    "count": pa.float64(),
}
_EPOCH = {"training_phase": pa.string(), "epoch": pa.int64(), "metric": pa.string(), "value": pa.float64()}


@dataclass(frozen=True)
class FinishedLane:
    """A finished lane of a run: its line in the journal, and its result in the store of lanes."""

    event: Event
    store: LaneStore

    @cached_property
    def config(self) -> LaneConfig:
        """All that the lane was told."""
        return LaneConfig.of(self.event["config"])

    @cached_property
    def outcome(self) -> Replicate:
        """Status, scores and learning curve; no scores where it diverged, or where its result is lost."""
        config = {"seed": self.config.lane.seed, "surrogate": self.config.lane.surrogate}
        return replicate({**self.event, "config": config}, self.store.result(self.event["key"]))

    @property
    def place(self) -> dict[str, Any]:
        """The columns that say which lane this is."""
        phase = Phase(self.event["phase"])
        return {
            "phase": str(phase),
            "arm": self.event["arm"],
            "index": self.event["index"],
            "seed": self.config.lane.seed,
            "surrogate": str(self.config.lane.surrogate),
            "judged_on": str(phase.judged_on),
        }


def lanes_table(lanes: Sequence[FinishedLane]) -> pa.Table:
    """A row for each lane; every setting is a column, also where it has its default. One that is called as an
    outcome is, such as ``objective``, is ``setting_objective`` there.
    """
    settings = [lane.config.with_defaults() for lane in lanes]
    rows = [{**lane.place, **_outcome_of(lane)} for lane in lanes]
    table = pa.Table.from_pylist(rows, pa.schema({**_LANE, **_OUTCOME}))
    for name in dict.fromkeys(name for each in settings for name in each if name not in _LANE):
        column = name if name not in table.column_names else f"setting_{name}"
        table = table.append_column(column, _column([each.get(name) for each in settings]))
    return table


def metrics_table(lanes: Iterable[FinishedLane]) -> pa.Table:
    """A row for each lane, speaker, metric and rollout step: a sum, a count, and their ratio."""
    return pa.Table.from_pylist(list(_score_rows(lanes)), pa.schema({**_LANE, **_SCORE}))


def history_table(lanes: Iterable[FinishedLane]) -> pa.Table:
    """A row for each lane, epoch and figure of training and validation."""
    rows = [
        {**lane.place, "training_phase": row["phase"], **row, "phase": lane.place["phase"]}
        for lane in lanes
        for row in training_rows(lane.outcome)
    ]
    return pa.Table.from_pylist(rows, pa.schema({**_LANE, **_EPOCH}))


def criteria_table(verdict: Mapping[str, Any]) -> pa.Table:
    """A row for each criterion of ``verdict.json``: the claim, its outcome, and the numbers behind it."""
    rows = []
    for criterion in verdict["criteria"]:
        row = {name: criterion[name] for name in ("name", "role", "claim", "metric", "arm", "versus")}
        row |= {name: criterion[name] for name in ("success", "failure", "margin", "outcome")}
        row |= criterion["estimate"] or dict.fromkeys(_INTERVAL)
        for null in ("white", "gaussian", "kept", "lost"):
            row[null] = (criterion[null] or {}).get("estimate")
        rows.append({**row, "adjusted_p": criterion["adjusted_p"], "sentence": criterion["sentence"]})
    return pa.Table.from_pylist(rows, _CRITERION)


_INTERVAL = ("estimate", "low", "high", "level", "speakers", "seeds")
_CRITERION = pa.schema(
    {
        **dict.fromkeys(("name", "role", "claim", "metric", "arm", "versus"), pa.string()),
        **dict.fromkeys(("success", "failure", "margin"), pa.float64()),
        "outcome": pa.string(),
        **dict.fromkeys(("estimate", "low", "high", "level"), pa.float64()),
        **dict.fromkeys(("speakers", "seeds"), pa.int64()),
        **dict.fromkeys(("white", "gaussian", "kept", "lost", "adjusted_p"), pa.float64()),
        "sentence": pa.string(),
    }
)


def _outcome_of(lane: FinishedLane) -> dict[str, Any]:
    event = lane.event
    named = {name: event.get(name) for name in ("status", "objective", "seconds", "reused", "key")}
    return {**named, "parameters": lane.outcome.parameters or None}


def _score_rows(lanes: Iterable[FinishedLane]) -> Iterator[dict[str, Any]]:
    for lane in lanes:
        if lane.outcome.scores is not None:
            for row in score_rows(Scores.from_json(lane.outcome.scores)):
                yield {**lane.place, "speaker": row.pop("unit"), **row}


def _column(values: list[Any]) -> pa.Array:
    """Settings as a column of one type; as JSON where lanes differ in the type of a setting."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else json.dumps(value) for value in values])
