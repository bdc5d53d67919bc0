"""The runs of a folder beside each other: one study over time, and on several data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.results.opened_run import OpenedRun
from search_spaces.study import Role
from trainables.errors import InputError

_COLUMNS = pa.schema(
    {
        **dict.fromkeys(("run", "study"), pa.string()),
        "started": pa.timestamp("s", tz="UTC"),
        **dict.fromkeys(("representation", "data_hash", "effort"), pa.string()),
        "smoke": pa.bool_(),
        **dict.fromkeys(("verdict", "metric", "arm", "versus", "outcome"), pa.string()),
        **dict.fromkeys(("estimate", "low", "high"), pa.float64()),
        **dict.fromkeys(("speakers", "seeds"), pa.int64()),
        **dict.fromkeys(("seal", "git_commit", "withheld"), pa.string()),
    }
)


def open_runs(folder: str | Path = "runs", study: str = "") -> RunComparison:
    """Open the runs in a folder, all or those of one study, the oldest first.

    Raises:
        InputError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is no folder; name the one that holds the run folders")
    runs = [OpenedRun(path.parent) for path in root.glob("*/journal.jsonl")]
    wanted = [run for run in runs if run.planned and study in ("", run.study)]
    return RunComparison(tuple(sorted(wanted, key=lambda run: float(run.planned["time"]))))


@dataclass(frozen=True)
class RunComparison:
    """Runs, the oldest first; one that has no verdict yet is there too, and says why."""

    runs: tuple[OpenedRun, ...]

    def __iter__(self) -> Iterator[OpenedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def table(self) -> pa.Table:
        """A row for each run: study, time, data, verdict, and the figure that decided."""
        return pa.Table.from_pylist([_row(run) for run in self.runs], _COLUMNS)

    def criteria(self) -> pa.Table:
        """The criteria of every run that has a verdict, with the run in the first column."""
        tables = []
        for run in self.runs:
            if not run.withheld:
                criteria = run.criteria
                names = pa.array([run.folder.name] * criteria.num_rows, pa.string())
                tables.append(criteria.add_column(0, "run", names))
        if not tables:
            raise InputError("none of these runs has a verdict yet; run a sweep to its end")
        return pa.concat_tables(tables)


def _row(run: OpenedRun) -> dict[str, Any]:
    planned = run.planned
    seals: list[dict[str, Any]] = [event["seal"] for event in run.journal.events("sealed")]
    sealed = seals[0] if seals else {}
    row = {
        "run": run.folder.name,
        "study": run.study,
        "started": datetime.fromtimestamp(int(planned["time"]), UTC),
        "representation": sealed.get("data", {}).get("representation"),
        "data_hash": planned.get("data_hash"),
        "effort": sealed.get("study", {}).get("effort"),
        "smoke": bool(planned["arguments"].get("smoke")),
        "withheld": run.withheld,
    }
    if run.withheld:
        return row
    primary = next(c for c in run.verdict["criteria"] if c["role"] == Role.PRIMARY)
    named = {name: primary[name] for name in ("metric", "arm", "versus", "outcome")}
    hashes = {name: run.verdict["hashes"].get(name) for name in ("seal", "git_commit")}
    return {**row, "verdict": run.verdict["verdict"], **named, **(primary["estimate"] or {}), **hashes}
