"""What the search, the record and the report of very many lanes cost, without training any:
``python -m benchmarks.lanes [--lanes 1250 2500 5000 10000]``.

The lanes of one study, half of them in each arm, go through the search, the recorder, the journal and the
lane store that a sweep has; a simulator answers in place of training. Then the search is resumed, with all of
its lanes known, and what an end costs is timed: the exploration as a file, the report, the names of recorded
lanes read back from MLflow. Seconds are the processor's, which other work on a machine hardly moves. An
exponent is the slope of log seconds over log lanes; 1 is linear.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import search_spaces
from benchmarks.timing import machine
from orchestrator.datasets.collection import LatentCollection
from orchestrator.execution.exploration_file import ExploredArm, importances, write_exploration
from orchestrator.execution.lane_recorder import LaneRecorder
from orchestrator.execution.mlflow_store import DATABASE
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.execution.progress import Progress
from orchestrator.execution.search import ArmSearch
from orchestrator.judging.verdict import judge
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan, make_plan, with_devices
from orchestrator.records.arm_evidence import Event
from orchestrator.records.draws import JournalledDraws
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LaneStore
from orchestrator.records.phase import Phase
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.synthetic_evidence import evidence, scores
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.worlds.catalogue import write_world

_COUNTS = (1250, 2500, 5000, 10_000)
_DEVICES = 8
_TARGETS = {"replay": 30.0, "report": 20.0}  # seconds, at the largest number of lanes
_MOST_ASK, _MOST_BYTES = 0.02, 5e6


@dataclass(frozen=True)
class _Costs:
    """Seconds of each step, of asking for one lane, and bytes of the report's page."""

    seconds: dict[str, float]
    asks: np.ndarray
    page: int


class _Simulator:
    """Answers for lanes in place of training: best at a learning rate of 0.01, with noise."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._template = scores(self._rng, (0.7, 0.5), (0.9, 0.6), 6.0).to_json()

    def results(self, pack: Pack) -> list[dict[str, Any]]:
        return [self._result(config.lane.learning_rate) for config in pack.configs]

    def _result(self, learning_rate: float) -> dict[str, Any]:
        gain = -0.1 * abs(math.log(learning_rate / 0.01)) + 0.02 * self._rng.normal()
        template = self._template
        cos = np.asarray(template["sums"]["cos"]) + gain * np.asarray(template["counts"]["cos"])
        return {
            "status": "finished",
            "scores": {**template, "sums": {**template["sums"], "cos": cos.tolist()}},
            "history": [{"epoch": epoch, "phase": "teacher", "loss": 90.0 - epoch} for epoch in range(6)],
            "parameters": 48_231,
            "seconds": 1.0,
            "courses": {},
        }


def main() -> None:
    """Print a row for each number of lanes, then exponents and targets."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--lanes", type=int, nargs="*", default=_COUNTS)
    counts = parser.parse_args().lanes
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        write_world("directional", Path("world"))
        latents = LatentCollection((open_dataset(Path("world").resolve()),))
        print(machine(), "\n")
        found = {}
        for count in counts:
            found[count] = _costs(count, latents, Path(f"runs-{count}"))
            _print_row(count, found[count], header=count == counts[0])
            shutil.rmtree(f"runs-{count}")
    if len(counts) > 1:
        slopes = {name: _exponent(found, name) for name in found[counts[0]].seconds}
        print("| exponent |", " | ".join(f"{slope:.2f}" for slope in slopes.values()), "| | | |")
    _print_targets(found[max(counts)], max(counts))


def _costs(count: int, latents: LatentCollection, runs: Path) -> _Costs:
    plan = with_devices(make_plan(search_spaces.load("vmf_vs_mdn"), trials=count // 2), _DEVICES)
    folder, seconds = runs / "run", {}
    asks = []
    with _timed(seconds, "search"):
        for search, recorder in _searches(plan, latents, folder):
            asks += _run(search, recorder)
    with _timed(seconds, "replay"):
        for search, _ in _searches(plan, latents, folder):
            if search.take() is not None:
                raise RuntimeError("a lane that has a result was asked for again")
    explored = {arm.name: recorder.lanes(Phase.EXPLORE, arm.name) for arm in plan.study.arms}
    arms = [ExploredArm(arm, explored[arm.name], ()) for arm in plan.study.arms]
    with _timed(seconds, "exploration.db"):
        write_exploration(folder / "exploration.db", plan, arms)
        for arm in arms:
            importances(plan, arm)
    record = evidence()
    for name, arm in record.arms.items():
        arm.explored = recorder.explored(name)
    judgement = judge(plan.study, record)
    with _timed(seconds, "report"):
        page, *_ = write_report(folder, plan.study, record, judgement)
    lanes = [event for events in explored.values() for event in events]
    judged = recorder.scores(lanes[0])
    with chdir(runs):  # where MLflow makes a store of its own
        tracker, parent = _recorded(lanes[0], judged and judged.to_json(), len(lanes))
        with _timed(seconds, "MLflow names"):
            tracker.start("vmf_vs_mdn", {}, {}, parent)
    return _Costs(seconds, np.array(asks), page.stat().st_size)


def _searches(
    plan: Plan, latents: LatentCollection, folder: Path
) -> Iterator[tuple[ArmSearch, LaneRecorder]]:
    """The search of each arm beside the recorder that all share, as a process that begins has them."""
    journal = Journal(folder)
    recorder = LaneRecorder(
        plan=plan,
        journal=journal,
        archive=LaneStore(folder.parent / "lanes"),
        changed=lambda: None,
        progress=Progress(),
        latents=latents,
        code="simulated",
    )
    for arm in plan.study.arms:
        yield ArmSearch(plan, arm, recorder.known, JournalledDraws(journal, arm.name)), recorder


def _run(search: ArmSearch, recorder: LaneRecorder) -> list[float]:
    """Seconds that asking took, per lane of each generation."""
    simulator, asks = _Simulator(), []
    while True:
        generation = []
        started = time.process_time()
        while (pack := search.take()) is not None:
            generation.append(pack)
        if not generation:
            return asks
        lanes = sum(len(pack.configs) for pack in generation)
        asks.append((time.process_time() - started) / lanes)
        for pack in generation:
            recorder.started(pack)
            search.put(pack, recorder.finished(pack, simulator.results(pack)))


def _recorded(event: Event, judged: dict[str, Any] | None, count: int) -> tuple[Tracker, str]:
    """A store in which so many lanes are recorded: one through MLflow, the others as copies of its rows."""
    tracker = Tracker("lanes")
    parent = tracker.start("vmf_vs_mdn", {}, {})
    tracker.lane("lane", event["arm"], "explore", event["config"], [], judged, "finished")
    changed = {"run_uuid": "printf('%08x', ?1) || substr(run_uuid, 9)", "name": "name || ?1"}
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        (run,) = connection.execute("SELECT run_uuid FROM runs WHERE name = 'lane'").fetchone()
        for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            copied = [changed.get(column, column) for column in columns]
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(copied)} FROM {table} "
                f"WHERE run_uuid = '{run}'",
                [(number,) for number in range(1, count)],
            )
    return Tracker("lanes"), parent


class _timed:
    """Adds the seconds of a block to a table."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *ignored: object) -> None:
        self._seconds[self._name] = time.process_time() - self._started


def _print_row(count: int, costs: _Costs, *, header: bool) -> None:
    if header:
        columns = ["lanes", *(f"{name}, s" for name in costs.seconds), "ask, ms", "99 %", "report, MB"]
        print("|", " | ".join(columns), "|\n|" + " --- |" * len(columns))
    cells = [f"{seconds:.1f}" for seconds in costs.seconds.values()]
    asks = [f"{1e3 * value:.1f}" for value in (costs.asks.mean(), np.quantile(costs.asks, 0.99))]
    print("|", " | ".join([f"{count:,}", *cells, *asks, f"{costs.page / 1e6:.2f}"]), "|", flush=True)


def _exponent(found: Mapping[int, _Costs], name: str) -> float:
    logs = np.log([[count, costs.seconds[name]] for count, costs in found.items()])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def _print_targets(costs: _Costs, count: int) -> None:
    print(f"\nat {count:,} lanes:")
    for name, most in _TARGETS.items():
        print(f"{name:14} {costs.seconds[name]:7.1f} s, target {most:g}")
    print(f"{'ask':14} {1e3 * costs.asks.mean():7.1f} ms, target {1e3 * _MOST_ASK:g}")
    print(f"{'page':14} {costs.page / 1e6:7.2f} MB, target {_MOST_BYTES / 1e6:g}")


if __name__ == "__main__":
    main()
