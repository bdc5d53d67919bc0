"""Lists of recordings: ``metadata.csv``, and the tables of Common Voice.

A list is UTF-8; what is wrong with it is one sentence with the file and the line.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trainables.errors import InputError
from trainables.latents.speech.speaker_ids import clean_id

COLUMNS = ("utterance_id", "speaker_id", "path")
VOICE_COLUMNS = ("client_id", "path")  # of Common Voice
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class ListedRow(NamedTuple):
    """A row of a list with its cells stripped, and the line of the file that it begins on."""

    line: int
    cells: dict[str, str]


class Listing(NamedTuple):
    """A list of recordings: the names of its columns, and its rows."""

    file: Path
    columns: list[str]
    rows: list[ListedRow]

    def require(self, columns: Sequence[str]) -> None:
        """Refuse a list that lacks one of these columns, or a cell in one of them.

        Raises:
            InputError: a column is missing, or a cell is empty.
        """
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise InputError(f"{self.file} has no column {missing[0]}; it needs {', '.join(columns)}")
        for row in self.rows:
            empty = [name for name in columns if not row.cells[name]]
            if empty:
                raise InputError(f"{self.file}, line {row.line}: {empty[0]} is empty")


def read_listing(file: Path, quoted: bool = True) -> Listing:
    """Read a list with a header, whose cells are divided by commas, semicolons, tabs or bars.

    Args:
        quoted: whether quotes enclose cells, as in CSV.

    Raises:
        InputError: it is not UTF-8, or a quote is not closed.
    """
    text = _text(file)
    header = text.partition("\n")[0]
    delimiter = max(",;\t|", key=header.count)
    if quoted:
        _require_closed_quotes(file, text, delimiter)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    columns: list[str] = []
    rows: list[ListedRow] = []
    begin = 1
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip() for cell in cells]
            elif any(cell.strip() for cell in cells):
                filled = [*cells, *[""] * len(columns)]
                row = {name: cell.strip() for name, cell in zip(columns, filled, strict=False)}
                if any("\n" in row.get(name, "") for name in (*COLUMNS, "split")):
                    raise InputError(f"{file}, line {begin}: a quote is not closed on its line; close it")
                rows.append(ListedRow(begin, row))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{file}, line {begin}: this is no CSV ({error}); mend the line") from None
    return Listing(file, columns, rows)


def path_on_disk(folder: Path, written: str) -> Path:
    """The file that a list means: with slashes of Windows, and composed or decomposed letters, if need be."""
    spellings = [
        spelling
        for path in (written, written.replace("\\", "/"))
        for spelling in (path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path))
    ]
    paths = [folder / spelling for spelling in spellings]
    return next((path for path in paths if path.exists()), paths[0])


def speaker_of(row: ListedRow, column: str) -> str:
    """The speaker of a row, in the one spelling that ids have."""
    return clean_id(row.cells[column])


def _text(file: Path) -> str:
    raw = file.read_bytes()
    kind = _BOMS.get(raw[:2], "UTF-16" if b"\0" in raw[:200] else "")
    if kind:
        raise InputError(f"{file}, line 1: this is {kind}, not UTF-8; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        byte = raw[error.start]
        raise InputError(
            f"{file}, line {line}: the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
        ) from None


def _require_closed_quotes(file: Path, text: str, delimiter: str) -> None:
    """Refuse a quote that is open at the end of the file; other liberties with quotes are none of ours."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for _ in reader:
            begin = reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error) or "field larger" in str(error):
            raise InputError(f"{file}, line {begin}: a quote is never closed; close it") from None
