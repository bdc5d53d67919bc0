"""Where results come from: CSV, Parquet, an MLflow experiment, or what W&B exports."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.judge.result_rows import Results, checked_rows, iterate_cells, known_columns
from orchestrator.records.phase import Phase
from orchestrator.results.long_table import RowKind
from search_spaces.study import Study
from trainables.errors import InputError
from trainables.latents.storage.raw_schema import refuse_extension_types
from trainables.predictor.scores import LaneStatus

MLFLOW_PREFIX = "mlflow:"
_LONG = ("arm", "metric")  # without these columns a table is a wide one, with a column for each metric
_LONGEST_CELL = 2**24  # characters
# A column of a chart that W&B exports: a run, and one of its metrics.
_CHART = re.compile(r"(?P<run>.+?) - (?P<metric>.+?)(?P<end>__MIN|__MAX)?")
_RUN_NAME = re.compile(r"(?P<arm>.+?)[-_ ](?:seed|s)?[-_ ]?(?P<seed>\d+)")
_RAN_TO_ITS_END = "finished"  # the state of a run of W&B
_TOLD_BY_RUNS = ("study", "arm", "seed", "unit", "surrogate")  # by tags and parameters of MLflow's runs
_Cells = Iterator[tuple[str, dict[str, Any]]]


def read_results(source: str, study: Study) -> Results:
    """The rows of a source, whatever its format.

    Raises:
        InputError: it is not there, it cannot be read, or a row is wrong.
    """
    if source.startswith(MLFLOW_PREFIX):
        return _from_mlflow(source.removeprefix(MLFLOW_PREFIX), study)
    path = Path(source)
    if not path.is_file():
        raise InputError(
            f"{source} is no file; name a .csv or .parquet file, or {MLFLOW_PREFIX}NAME for an experiment"
        )
    header, rows, word = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    numbered = ((f"{word} {number}", row) for number, row in rows)
    places = known_columns(header)
    if all(name in places for name in _LONG) and ("value" in places or "sum" in places):
        unused = [name for i, name in enumerate(header) if i not in places.values()]
        notes = [f"Columns that were not used: {', '.join(unused)}."] if unused else []
        return checked_rows(source, iterate_cells(places, numbered), study, notes)
    if any(_CHART.fullmatch(name) for name in header):
        return checked_rows(source, _of_chart(source, header, list(numbered)), study)
    return _wide(source, header, places, list(numbered), study)


def _csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]], str]:
    csv.field_size_limit(_LONGEST_CELL)
    rows = _csv_rows(path)
    _, header = next(rows, (0, []))
    if not header:
        raise InputError(f"{path} is empty; it needs a header with the columns arm, metric and value")
    return header, rows, "line"


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file with their numbers, the header first; empty ones are passed over."""
    width = None
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max((",", ";", "\t"), key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for row in reader:
                number = reader.line_num
                if not any(row):
                    continue
                if width not in (None, len(row)):
                    raise InputError(
                        f"{path}, line {number}: has {len(row)} cells where the header names {width}; "
                        "write one cell for each column"
                    )
                width = len(row)
                yield number, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}, line {number + 1}: cannot be read as CSV ({error}); save it as CSV in UTF-8"
        ) from None


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, list[Any]]], str]:
    refuse_extension_types(path, "write it again with plain columns")  # before anything reads the schema
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            for field in parquet.schema_arrow:
                if pa.types.is_nested(field.type):
                    raise InputError(
                        f"{path} has the column {field.name!r} of {field.type}; write plain ones"
                    )
            table = parquet.read()
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise InputError(f"{path} cannot be read as Parquet ({reason}); write it again") from None
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, enumerate(map(list, zip(*columns, strict=True)), 1), "row"


def _wide(
    source: str,
    header: Sequence[str],
    places: Mapping[str, int],
    rows: Sequence[tuple[str, Sequence[Any]]],
    study: Study,
) -> Results:
    """A table with a column for each metric, as W&B exports its table of runs."""
    if "arm" not in places:
        raise InputError(
            f"{source} has the columns {', '.join(header)}; it needs arm, metric and value, and seed, unit, "
            "step and surrogate where they are known"
        )
    state = {name.lower(): i for i, name in enumerate(header)}.get("state")
    whole = [row for row in rows if state is None or row[1][state] in ("", _RAN_TO_ITS_END)]
    metrics = [i for i in range(len(header)) if i not in places.values() and _numeric(whole, i)]
    cells = (
        (place, {**{name: row[i] for name, i in places.items()}, "metric": header[i], "value": row[i]})
        for place, row in whole
        for i in metrics
        if row[i] not in ("", None)
    )
    left_out = len(rows) - len(whole)
    notes = [
        f"{left_out} runs that did not finish were left out; where their training diverged, give a row of "
        "kind diverged for each: a diverged seed counts against its arm."
    ]
    return checked_rows(source, cells, study, notes if left_out else [])


def _numeric(rows: Sequence[tuple[str, Sequence[Any]]], column: int) -> bool:
    """Whether a column holds numbers, and something."""
    filled = [row[column] for _, row in rows if row[column] not in ("", None)]
    try:
        return bool([float(value) for value in filled])
    except (TypeError, ValueError):
        return False


def _of_chart(source: str, header: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]]) -> _Cells:
    """The last value of each run in a chart that W&B exported; runs are called ARM-SEED."""
    for column, name in enumerate(header):
        chart = _CHART.fullmatch(name)
        if chart is None or chart["end"]:
            continue
        run = _RUN_NAME.fullmatch(chart["run"])
        if run is None:
            raise InputError(
                f"{source}: the column {name!r} is of the run {chart['run']!r}; call runs ARM-SEED, such as "
                "vmf-3, or export the table of runs with the columns arm and seed"
            )
        filled = [(place, row[column]) for place, row in rows if row[column] not in ("", None)]
        if filled:
            place, value = filled[-1]
            yield place, {"arm": run["arm"], "seed": run["seed"], "metric": chart["metric"], "value": value}


def _from_mlflow(experiment: str, study: Study) -> Results:
    from orchestrator.execution.mlflow_runs import experiment_runs  # loads MLflow

    return checked_rows(f"{MLFLOW_PREFIX}{experiment}", _of_runs(experiment_runs(experiment)), study)


def _of_runs(runs: Sequence[Mapping[str, Any]]) -> _Cells:
    """The metrics of MLflow's runs that say their arm; one called NAME@k is a curve over its steps."""
    for run in runs:
        said = {name.lower(): value for name, value in {**run["params"], **run["tags"]}.items()}
        places = known_columns(list(said))
        cells = {name: list(said.values())[places[name]] for name in _TOLD_BY_RUNS if name in places}
        if "arm" not in cells or said.get("phase") == Phase.ABLATE:
            continue
        place = f"run {run['name']}"
        if said.get("status") == LaneStatus.DIVERGED:
            yield place, {**cells, "kind": RowKind.DIVERGED, "metric": "diverged", "value": 1.0}
            continue
        metrics = {_plain_name(name): points for name, points in run["metrics"].items() if _is_judged(name)}
        curves = {name[:-2] for name in metrics if name.endswith("@k")}
        for name, points in metrics.items():
            if name.endswith("@k"):
                curve = ({"metric": name[:-2], "step": step, "value": value} for step, value in points)
                yield from ((place, {**cells, **point}) for point in curve)
            elif name.split("@")[0] not in curves:
                yield place, {**cells, "metric": name, "value": points[-1][1]}


def _is_judged(metric: str) -> bool:
    """Whether a metric is of what was judged: it has no folder in its name, or that of a test."""
    folder, slash, _ = metric.rpartition("/")
    return not slash or folder in ("test", "eval")


def _plain_name(metric: str) -> str:
    return metric.rpartition("/")[2].replace("_at_", "@")
