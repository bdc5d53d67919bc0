"""Rows of results as other programs write them: one number each, checked, and named where one is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from orchestrator.results.long_table import LONG_SCHEMA, RowKind
from search_spaces.study import Study
from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate

# What the columns are called elsewhere, in small letters.
_ALSO = {
    "arm": ("group", "model", "method"),
    "seed": ("replicate",),
    "unit": ("speaker", "speaker_id", "subject"),
    "step": ("k",),
    "surrogate": ("null", "plant", "null or plant", "frames"),
    "count": ("weight", "n"),
    "utterance": ("utterance_id",),
}
_FRAMES = {
    **{str(surrogate): surrogate for surrogate in Surrogate},
    "": Surrogate.REAL,
    "shuffled": Surrogate.WHITE,
    "kept": Surrogate.KEPT,
    "lost": Surrogate.LOST,
}
# Of the long table, all of them; only arm, metric and value have to be there.
RESULT_COLUMNS = tuple(LONG_SCHEMA.names)
ALL_UNITS = "all"  # the one unit of results that name none
_MOST_STEPS = 10_000


class ResultRow(NamedTuple):
    """One row: a metric of an arm under a seed, on one unit, with the place that it was read from."""

    place: str
    arm: str
    seed: int
    unit: str
    metric: str
    step: int | None
    value: float
    surrogate: Surrogate
    kind: RowKind
    total: float
    counted: float
    utterance: str
    epoch: int | None
    phase: str
    text: str


@dataclass(frozen=True)
class Results:
    """All rows of one source for one study, and what was noticed while they were read."""

    source: str
    rows: tuple[ResultRow, ...]
    columns: frozenset[str]  # of those that the judge knows, the ones that hold something
    notes: tuple[str, ...] = ()


class BadCellError(ValueError):
    """A cell that cannot be what its column asks for: its column, its value and the remedy."""

    def __init__(self, column: str, value: object, remedy: str) -> None:
        super().__init__(f"{column} is {value!r}; {remedy}")


def known_columns(header: Sequence[str]) -> dict[str, int]:
    """Where the columns that the judge knows stand in a header, under their own names."""
    places: dict[str, int] = {}
    lower = [str(name).strip().lower() for name in header]
    for name in RESULT_COLUMNS:
        wanted = [name, *_ALSO.get(name, ())]
        place = next((lower.index(each) for each in wanted if each in lower), None)
        if place is not None:
            places[name] = place
    return places


def checked_rows(
    source: str,
    cells: Iterable[tuple[str, Mapping[str, Any]]],
    study: Study,
    notes: Sequence[str] = (),
) -> Results:
    """The rows of a source, each with the place where it stands; those of another study are left out.

    Args:
        source: what the rows are of, for messages.
        cells: for each row its place, such as "line 7", and its cells by column.
        study: whose arms the rows have to name.
        notes: what was noticed so far.

    Raises:
        InputError: a row is wrong, or says again what another has said; the message names it.
    """
    arms = [arm.name for arm in study.arms]
    rows, seen, filled = [], dict[tuple[Any, ...], str](), set[str]()
    for place, row in cells:
        if row.get("study") not in (None, "", study.name):
            continue
        try:
            result = _row(place, row, arms)
        except BadCellError as bad:
            raise InputError(f"{source}, {place}: {bad}") from None
        key = (*result[1:6], *result[7:9], *result[11:14])
        if key in seen:
            raise InputError(f"{source}, {place}: says again what {seen[key]} says; leave one of them out")
        seen[key] = place
        filled |= {name for name, value in row.items() if value not in (None, "")}
        rows.append(result)
    if not rows:
        raise InputError(f"{source} holds no results of the study {study.name!r}; give others, or --study")
    return Results(source, tuple(rows), frozenset(filled), tuple(notes))


def _row(place: str, row: Mapping[str, Any], arms: Sequence[str]) -> ResultRow:
    kind = _kind(row.get("kind"))
    arm = _text(row.get("arm"))
    if arm not in arms and not (kind is RowKind.ABOUT and not arm):
        raise BadCellError("arm", arm, f"name an arm of the study: {', '.join(arms)}")
    metric, step = _metric(row.get("metric")), _whole("step", row.get("step"), 1, _MOST_STEPS)
    name, _, behind = metric.partition("@")
    if behind.isdecimal() and step is None:
        metric, step = name, _whole("metric", behind, 1, _MOST_STEPS)
    value, total, count = _numbers(row, kind)
    return ResultRow(
        place=place,
        arm=arm,
        seed=_whole("seed", row.get("seed"), 0) or 0,
        unit=_text(row.get("unit")) or ALL_UNITS,
        metric=metric,
        step=step,
        value=value,
        surrogate=_frames(row.get("surrogate")),
        kind=kind,
        total=total,
        counted=count,
        utterance=_text(row.get("utterance")),
        epoch=_whole("epoch", row.get("epoch"), 0),
        phase=_text(row.get("phase")),
        text=_text(row.get("text")),
    )


def _numbers(row: Mapping[str, Any], kind: RowKind) -> tuple[float, float, float]:
    """Value, sum and count: a value alone counts once; a sum needs its count."""
    value, total, count = (_number(name, row.get(name)) for name in ("value", "sum", "count"))
    if count is not None and not (count >= 0 and math.isfinite(count)):
        raise BadCellError("count", row.get("count"), "write how much was counted, 0 or more")
    if total is not None and count is None:
        raise BadCellError("count", row.get("count"), "a sum needs the count beside it")
    if value is None and total is None and kind is not RowKind.ABOUT:
        raise BadCellError(
            "value", row.get("value"), "write a number, or nan where the run gave none; missing is never zero"
        )
    if count is None:
        count = 1.0
    if total is None:
        total = math.nan if value is None else value * count
    return math.nan if value is None else value, total, count


def _kind(value: Any) -> RowKind:
    text = _text(value) or RowKind.MEASURED
    if text not in list(RowKind):
        raise BadCellError("kind", text, f"leave it empty, or write one of {', '.join(RowKind)}")
    return RowKind(text)


def _frames(value: Any) -> Surrogate:
    text = _text(value).lower()
    if text not in _FRAMES:
        raise BadCellError("surrogate", value, f"leave it empty, or write one of {', '.join(Surrogate)}")
    return Surrogate(_FRAMES[text])


def _metric(value: Any) -> str:
    text = _text(value)
    if not text:
        raise BadCellError("metric", value, "name what was measured, such as cos@16")
    return text


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _number(column: str, value: Any) -> float | None:
    if isinstance(value, float):
        return value
    text = _text(value)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadCellError(column, value, "write a number, or nan where the run gave none") from None


def _whole(column: str, value: Any, least: int, most: int = 2**63) -> int | None:
    number = _number(column, value)
    if number is None or (isinstance(value, float) and math.isnan(number)):
        return None
    if not (math.isfinite(number) and number.is_integer() and least <= number <= most):
        raise BadCellError(column, value, f"write a whole number, {least} or more")
    return int(_text(value)) if _text(value).isdecimal() else int(number)


def iterate_cells(
    places: Mapping[str, int], rows: Iterable[tuple[str, Sequence[Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows by position as rows by column."""
    for place, row in rows:
        yield place, {name: row[column] for name, column in places.items()}
