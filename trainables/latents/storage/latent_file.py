"""A latent file as it is read: scalar columns against a fingerprint, latents and tracks against digests.

Shapes: U utterances.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.errors import InputError
from trainables.latents.storage.file_part import FilePart
from trainables.latents.storage.parquet_file import (
    FINGERPRINT_KEY,
    META_KEY,
    PART_KEY,
    LatentMeta,
    utterance_table,
)
from trainables.latents.storage.raw_schema import refuse_extension_types
from trainables.latents.storage.row_columns import ACOUSTIC_COLUMNS, SCALAR_COLUMNS
from trainables.latents.storage.row_digests import DIGESTED, row_digests

HOW_TO_MAKE = "make one with `python -m orchestrator.encode SOURCE --representation NAME --out FOLDER`"
_COLUMNS = frozenset([*SCALAR_COLUMNS, "frame_rate", "latents", *ACOUSTIC_COLUMNS])
_REMEDY = "delete it and run the command that wrote it again"


@dataclass(frozen=True, eq=False)
class LatentFile:
    """A latent file whose footer and scalar columns have been read, and agree with each other.

    Attributes:
        path: of the file.
        meta: what its latents have in common.
        part: statistics, and digests of its rows.
        index: the scalar columns of all rows.
        fingerprint: hash of all of these.
    """

    path: Path
    meta: LatentMeta
    part: FilePart
    index: pa.Table
    fingerprint: str

    def pieces(
        self, columns: Sequence[str], split: str | None = None, ids: Collection[str] | None = None
    ) -> Iterator[Piece]:
        """Rows of the file, row group by row group, not yet compared with their digests.

        Args:
            columns: any of the scalar ones, then ``latents`` or the acoustic tracks or both.
            split: of the rows that are wanted; None stands for all.
            ids: of the utterances that are wanted; None stands for all.

        Raises:
            InputError: the file is truncated or damaged.
        """
        wanted_U = self._wanted(split, ids)
        values = [name for name in columns if name not in SCALAR_COLUMNS]
        # Digests cover these values, so checksums of pages would find nothing more, in 8 % of the time.
        with _sentences(self.path), pq.ParquetFile(self.path) as parquet:
            exchanged = parquet.metadata.num_rows != len(self.index)
            if exchanged or _mistyped(parquet.schema_arrow, self.meta.dim):
                raise _changed(self.path)
            end = 0
            for group in range(parquet.num_row_groups):
                begin, end = end, end + parquet.metadata.row_group(group).num_rows
                rows = begin + np.flatnonzero(wanted_U[begin:end])
                if len(rows):
                    stored = parquet.read_row_group(group, values)
                    yield Piece(self, rows, self._with_scalars(stored, begin, rows), list(columns))

    def refuse_changed(self, piece: Piece) -> None:
        """Compare rows with their digests.

        Raises:
            InputError: a row differs; the message names file and utterance.
        """
        for kind, digests in row_digests(piece.rows).items():
            for row, digest in zip(piece.places, digests, strict=True):
                if digest != self.part.rows[kind][row]:
                    name = self.index["utterance_id"][row].as_py()
                    raise InputError(
                        f"{self.path} holds other {kind} of utterance {name} than were written; {_REMEDY}"
                    )

    def _wanted(self, split: str | None, ids: Collection[str] | None) -> np.ndarray:
        wanted_U = np.ones(len(self.index), bool)
        if split is not None:
            wanted_U &= pc.equal(self.index["split"], split).to_numpy()
        if ids is not None:
            wanted_U &= pc.is_in(self.index["utterance_id"], pa.array(list(ids), pa.string())).to_numpy()
        return wanted_U

    def _with_scalars(self, stored: pa.Table, begin: int, rows: np.ndarray) -> pa.Table:
        """Some rows of a row group, with scalar columns out of the index, which the fingerprint covers."""
        stored = stored.replace_schema_metadata(None)
        together = rows[-1] - rows[0] + 1 == len(rows)  # as the rows of a split are: nothing is copied
        stored = stored.slice(rows[0] - begin, len(rows)) if together else stored.take(rows - begin)
        scalars = self.index.slice(rows[0], len(rows)) if together else self.index.take(rows)
        return pa.table({name: scalars[name] for name in SCALAR_COLUMNS} | dict(_columns(stored)))


class Piece(NamedTuple):
    """Some rows of a row group of a file."""

    file: LatentFile
    places: np.ndarray  # of the rows in the file
    rows: pa.Table  # with all scalar columns
    columns: list[str]  # that were asked for


def open_file(path: Path, fingerprint: str | None = None) -> LatentFile:
    """Open a latent file: its footer and its scalar columns are read, and compared with each other.

    Of a file that was written before there were digests, they are computed, which reads all of it.

    Args:
        path: of the file.
        fingerprint: that it had before; None where it is opened for the first time.

    Raises:
        InputError: the file is truncated, damaged or foreign, contradicts itself, or has another fingerprint.
    """
    with _sentences(path):
        refuse_extension_types(path)  # before anything reads the schema
        schema = pq.read_schema(path)
        metadata = schema.metadata or {}
        _require_latents(path, schema)
        index = _read(path, SCALAR_COLUMNS)
        meta, part = _parsed(path, schema, len(index))
    stored = metadata.get(FINGERPRINT_KEY)
    file = LatentFile(path, meta, part, index, part.fingerprint(metadata[META_KEY].decode(), index))
    if stored is not None and stored != file.fingerprint.encode():
        _refuse(file)
    if fingerprint not in (None, file.fingerprint):
        raise _changed(path)
    return file


def verified(pieces: Iterable[Piece]) -> Iterator[tuple[LatentFile, pa.Table]]:
    """The rows of pieces once they have been compared with their digests, and each piece's file.

    A thread compares one piece while the next is read and decompressed.

    Raises:
        InputError: a file is damaged, or a row differs; the message names file and utterance.
    """
    waiting: tuple[Piece, Future[None]] | None = None
    with ThreadPoolExecutor(1) as thread:
        for piece in pieces:
            begun = piece, thread.submit(piece.file.refuse_changed, piece)
            if waiting:
                yield _finished(*waiting)
            waiting = begun
        if waiting:
            yield _finished(*waiting)


def _finished(piece: Piece, comparison: Future[None]) -> tuple[LatentFile, pa.Table]:
    with _sentences(piece.file.path):
        comparison.result()
    return piece.file, piece.rows.select(piece.columns)


def _changed(path: Path) -> InputError:
    return InputError(
        f"{path} is not the file that it was when this run opened it; put that one back, or start a new run "
        "on the latents that there are now"
    )


def _columns(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    return zip(table.column_names, table.columns, strict=True)


def _read(path: Path, columns: list[str]) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        return parquet.read(columns).replace_schema_metadata(None)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turn whatever Arrow says about a damaged file into one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise InputError(f"{path} is truncated or damaged ({reason}); {_REMEDY}") from error


def _require_latents(path: Path, schema: pa.Schema) -> None:
    if not {META_KEY, PART_KEY} <= set(schema.metadata or {}):
        raise InputError(f"{path} holds no latents, so {path.parent} is no latent dataset; {HOW_TO_MAKE}")
    for name in sorted(_COLUMNS ^ set(schema.names)):
        wrong = "lacks the column" if name in _COLUMNS else "has a column"
        ending = "" if name in _COLUMNS else ", which latents do not have"
        raise InputError(f"{path} {wrong} {name!r}{ending}; encode the corpus again")


def _parsed(path: Path, schema: pa.Schema, utterances: int) -> tuple[LatentMeta, FilePart]:
    metadata = schema.metadata
    try:
        meta, part = LatentMeta(**json.loads(metadata[META_KEY])), json.loads(metadata[PART_KEY])
        mistyped = _mistyped(schema, meta.dim)
        if mistyped:
            raise ValueError(mistyped)
        rows = part["rows"] if FINGERPRINT_KEY in metadata else _digests_of_all(path)
        if {len(rows[kind]) for kind in DIGESTED} != {utterances}:
            raise ValueError(f"not {utterances} digests of each kind")
        return meta, FilePart(part["sum_squares"], part["values"], rows)
    except pa.ArrowException:  # some of which are a ValueError too: the file is damaged
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path} has metadata of another version ({error}); encode it again") from error


def _mistyped(schema: pa.Schema, dim: int) -> str:
    """How a column differs from what latents have; empty where none does."""
    for field in utterance_table([], dim, 1.0).schema:
        place = schema.get_field_index(field.name)
        stored = schema.field(place).type if place >= 0 else "absent"
        if stored != field.type:
            return f"{field.name} is {stored}, not {field.type}"
    return ""


def _digests_of_all(path: Path) -> dict[str, list[str]]:
    return row_digests(_read(path, [*SCALAR_COLUMNS, "latents", *ACOUSTIC_COLUMNS]))


def _refuse(file: LatentFile) -> NoReturn:
    """Refuse a file that contradicts itself, with the name of an utterance wherever there is one."""
    for _ in verified(file.pieces(["latents", *ACOUSTIC_COLUMNS])):
        pass
    raise InputError(f"{file.path} has a footer that is not the one that was written; {_REMEDY}")
