"""What a folder of representations holds: how large they are, and how long all runs took that made them."""

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
    """Seconds spent on a representation, and of speech that went through; a restart goes on counting.

    The start of Ray is not in them, that of its actors is. Speech that a kill made one encode again counts
    again, as its time does.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _TIMES
        self._before = times(folder) or (0.0, 0.0)

    def __call__(self, seconds: float, speech: float) -> None:
        """Both since this stopwatch was made."""
        spent, heard = self._before
        _write(self._file, {"seconds": spent + seconds, "speech_seconds": heard + speech})


def times(folder: Path) -> tuple[float, float] | None:
    """Seconds, and seconds of speech; None where nobody took them.

    Raises:
        InputError: the file that holds them is damaged.
    """
    file = folder / _TIMES
    if not file.exists():
        return None
    try:
        kept = json.loads(file.read_text())
        return float(kept["seconds"]), float(kept["speech_seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is damaged ({error}); delete it, and the table goes without its times"
        ) from error


@dataclass(frozen=True)
class InventoryRow:
    """One representation. ``seconds`` and ``x_real_time`` are None where nobody took the time."""

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


def rows(out: Path) -> list[InventoryRow]:
    """A row for each representation that ``out`` holds."""
    found = []
    for representation in REPRESENTATIONS:
        try:
            dataset = open_if_present(out / representation.folder)
            found += [_row(representation, dataset)] if dataset is not None else []
        except InputError as error:  # one that is damaged does not cost the others their rows
            typer.echo(f"left out: {representation.name}: {error}", err=True)
    return found


def hours(dataset: LatentDataset | None) -> float:
    """Of speech in all splits."""
    if dataset is None:
        return 0.0
    return sum(dataset.frames(split) for split in SPLITS) / dataset.meta.frame_rate / 3600


def write_listing(out: Path, source: Path, listed: Sequence[InventoryRow]) -> None:
    """:data:`FILE`, whole or not at all."""
    _write(
        out / INVENTORY_FILE,
        {"source": str(source.resolve()), "representations": [asdict(row) for row in listed]},
    )


def show(listed: Sequence[InventoryRow], out: Path) -> None:
    """Print the listing; where it is wider than the terminal, as several tables."""
    columns = ("representation", "dim", "Hz", "utterances", "hours", "MB", "seconds", "x real time", "note")
    table = TerminalTable(str(out), columns)
    for row in listed:
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
        hours=hours(dataset),
        megabytes=size_of(dataset),
        seconds=taken[0] if taken else None,
        x_real_time=taken[1] / taken[0] if taken and taken[0] > 0 else None,
        note=meta.note,
    )


def _number(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
