"""The representations that a folder holds: their sizes, and the time that all runs took to make them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from orchestrator.reporting.terminal_table import TerminalTable, print_table
from orchestrator.representations.catalogue import REPRESENTATIONS, Representation
from orchestrator.representations.encoded_folder import open_if_present, size_of
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError
from trainables.latents.storage.dataset import SPLITS, LatentDataset

INVENTORY_FILE = "representations.json"
_TIMES = "times.json"  # beside the latents


class Stopwatch:
    """Counts the seconds spent on a representation, and the seconds of speech; a restart goes on counting.

    The start of Ray is not counted, that of its actors is. Speech that has to be encoded again after a kill
    counts again, as its time does.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _TIMES
        self._before = times(folder) or (0.0, 0.0)

    def __call__(self, seconds: float, speech: float) -> None:
        """Store the totals, given seconds and seconds of speech since this stopwatch was made."""
        seconds_before, speech_before = self._before
        totals = {"seconds": seconds_before + seconds, "speech_seconds": speech_before + speech}
        _write(self._file, totals)


def times(folder: Path) -> tuple[float, float] | None:
    """Seconds spent on a representation, and seconds of speech; None where they were not measured.

    Raises:
        InputError: the file that holds them is damaged.
    """
    file = folder / _TIMES
    if not file.exists():
        return None
    try:
        stored = json.loads(file.read_text())
        return float(stored["seconds"]), float(stored["speech_seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is damaged ({error}); delete it, and the table leaves its times out"
        ) from error


@dataclass(frozen=True, kw_only=True)
class InventoryRow:
    """One representation in an inventory; ``seconds`` and ``x_real_time`` are None where not measured."""

    representation: str
    folder: str
    dimensions: int
    frame_rate: float  # Hz
    utterances: int
    hours: float
    megabytes: float
    seconds: float | None
    x_real_time: float | None
    note: str


def inventory_rows(out: Path) -> list[InventoryRow]:
    """A row for each representation that ``out`` holds; a damaged one is named on stderr and left out."""
    rows = []
    for representation in REPRESENTATIONS:
        try:
            dataset = open_if_present(out / representation.folder)
            rows += [_row(representation, dataset)] if dataset is not None else []
        except InputError as error:  # a damaged representation does not cost the others their rows
            typer.echo(f"left out: {representation.name}: {error}", err=True)
    return rows


def hours_of_speech(dataset: LatentDataset | None) -> float:
    """The hours of speech in all splits of a dataset; 0 where there is no dataset."""
    if dataset is None:
        return 0.0
    return sum(dataset.frames(split) for split in SPLITS) / dataset.meta.frame_rate / 3600


def write_inventory(out: Path, source: Path, rows: Sequence[InventoryRow]) -> None:
    """Write :data:`INVENTORY_FILE` into ``out``, completely or not at all."""
    _write(
        out / INVENTORY_FILE,
        {"source": str(source.resolve()), "representations": [asdict(row) for row in rows]},
    )


def print_inventory(rows: Sequence[InventoryRow], out: Path) -> None:
    """Print the inventory of ``out``; where it is wider than the terminal, as several tables."""
    columns = ("representation", "dim", "Hz", "utterances", "hours", "MB", "seconds", "x real time", "note")
    table = TerminalTable(str(out), columns)
    for row in rows:
        table.add(
            row.representation,
            str(row.dimensions),
            f"{row.frame_rate:g}",
            str(row.utterances),
            f"{row.hours:.2f}",
            f"{row.megabytes:.1f}",
            _number(row.seconds, ".1f"),
            _number(row.x_real_time, ".3g"),
            row.note,
        )
    print_table(Console(width=None if sys.stdout.isatty() else 150), table)


def _write(file: Path, content: dict[str, Any]) -> None:
    write_atomically(file, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _row(representation: Representation, dataset: LatentDataset) -> InventoryRow:
    taken, meta = times(dataset.root), dataset.meta
    return InventoryRow(
        representation=meta.representation,
        folder=representation.folder,
        dimensions=meta.dim,
        frame_rate=meta.frame_rate,
        utterances=dataset.index.num_rows,
        hours=hours_of_speech(dataset),
        megabytes=size_of(dataset),
        seconds=taken[0] if taken else None,
        x_real_time=taken[1] / taken[0] if taken and taken[0] > 0 else None,
        note=meta.note,
    )


def _number(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
