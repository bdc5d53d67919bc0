"""The exploration as a file that optuna-dashboard opens, and what of it Optuna says mattered.

A run's file is written anew from its journal. Optuna makes the file and its tables; the rows are then written
in bulk, since its own way takes eight milliseconds a trial.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.execution.samplers import distribution, silent_study
from orchestrator.planning.plan import Plan
from orchestrator.records.arm_evidence import Event
from search_spaces.study import Arm

_MOST_WEIGHED = 200  # configurations; the time that importances take grows with their square


@dataclass(frozen=True)
class ExploredArm:
    """An arm whose settings were searched, with the journal's lines on its lanes."""

    arm: Arm
    explored: Sequence[Event]
    repeated: Sequence[Event]  # some of them on a second seed, by the same index


def write_exploration(path: Path, plan: Plan, arms: Iterable[ExploredArm]) -> Path:
    """Write one Optuna study for each arm, named after study and arm: settings and objective of every lane.

    Lanes that diverged are trials that failed. As attributes a trial has the lane's key in the lane store,
    seed, status and seconds, and the objective on a second seed where there is one. The file is written under
    another name and renamed.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        storage = RDBStorage(f"sqlite:///{temporary}")
        studies = {}
        for searched in arms:
            study = silent_study(storage, f"{plan.study.name} {searched.arm.name}")
            studies[study._study_id] = trials_of(plan, searched)
        storage.engine.dispose()
        with closing(sqlite3.connect(temporary)) as connection, connection:
            _insert(connection, studies)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def importances(plan: Plan, searched: ExploredArm) -> dict[str, float]:
    """How much of the objective's variance each searched setting explains (fANOVA), as shares of 1; the
    largest first. Of many configurations some are weighed, in equal distances.
    """
    finished = [trial for trial in trials_of(plan, searched) if trial.state == TrialState.COMPLETE]
    study = silent_study()
    study.add_trials(finished[:: -(-len(finished) // _MOST_WEIGHED) or 1])
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in shares.items()}


def trials_of(plan: Plan, searched: ExploredArm) -> list[FrozenTrial]:
    """The lanes of an arm as trials of Optuna. A setting in milliseconds, which a lane is told in frames, is
    left out.
    """
    distributions = {name: distribution(domain) for name, domain in plan.space(searched.arm).items()}
    again = {event["index"]: event["objective"] for event in searched.repeated}
    return [_trial(event, distributions, again.get(event["index"])) for event in searched.explored]


def _trial(event: Event, distributions: Mapping[str, BaseDistribution], again: float | None) -> FrozenTrial:
    known = {name: each for name, each in distributions.items() if name in event["config"]}
    attributes = {
        "lane": event["key"],
        "index": event["index"],
        "seed": event["config"]["seed"],
        "status": str(event["status"]),
        "seconds": event["seconds"],
        **({} if again is None else {"objective on a second seed": again}),
    }
    diverged = event["objective"] is None
    return create_trial(
        state=TrialState.FAIL if diverged else TrialState.COMPLETE,
        value=event["objective"],
        params={name: event["config"][name] for name in known},
        distributions=known,
        user_attrs=attributes,
    )


def _insert(connection: sqlite3.Connection, studies: Mapping[int, Sequence[FrozenTrial]]) -> None:
    """Write the rows of all trials into the tables of Optuna's schema."""
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
    trial_id = 0
    for study_id, trials in studies.items():
        for number, trial in enumerate(trials):
            trial_id += 1
            for table, row in _rows(trial_id, study_id, number, trial):
                rows[table].append(row)
    for table, columns in _TABLES.items():
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows[table])


_TABLES = {
    "trials": ("trial_id", "study_id", "number", "state", "datetime_start", "datetime_complete"),
    "trial_values": ("trial_id", "objective", "value", "value_type"),
    "trial_params": ("trial_id", "param_name", "param_value", "distribution_json"),
    "trial_user_attributes": ("trial_id", '"key"', "value_json"),
}


def _rows(
    trial_id: int, study_id: int, number: int, trial: FrozenTrial
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    times = [time and time.isoformat(" ") for time in (trial.datetime_start, trial.datetime_complete)]
    yield "trials", (trial_id, study_id, number, trial.state.name, *times)
    if trial.value is not None:
        yield "trial_values", (trial_id, 0, trial.value, "FINITE")
    for name, value in trial.params.items():
        own = trial.distributions[name]
        yield "trial_params", (trial_id, name, own.to_internal_repr(value), distribution_to_json(own))
    for key, value in trial.user_attrs.items():
        yield "trial_user_attributes", (trial_id, key, json.dumps(value))
