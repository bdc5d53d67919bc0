"""Latent files as a source of Ray Data, whose tasks compare what they read with its digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from trainables.errors import InputError
from trainables.latents.storage.dataset import FRAME_COLUMNS, LatentDataset
from trainables.latents.storage.latent_file import open_file, verified
from trainables.latents.storage.parquet_file import Split, Utterance, utterance_table

_REFUSAL = "refusal"  # the column in which a task says why it refuses a file


class StoredFile(NamedTuple):
    """A latent file as it was when its dataset was opened."""

    path: str
    fingerprint: str
    dim: int  # latent dimensions, D

    @classmethod
    def all_of(cls, dataset: LatentDataset) -> tuple[StoredFile, ...]:
        """The files of a dataset."""
        opened = dataset.opened
        return tuple(cls(str(file.path.resolve()), file.fingerprint, file.meta.dim) for file in opened)


class LatentSource(Datasource):
    """Utterances of a split with the columns :data:`FRAME_COLUMNS`, a task for each file.

    A file that is refused is a row that says so, which :func:`accepted` raises: Ray would print the traceback
    of an exception.

    Args:
        files: of a dataset.
        split: of the utterances.
        ids: of those among them that are wanted; None stands for all.
    """

    def __init__(self, files: Sequence[StoredFile], split: str, ids: Sequence[str] | None) -> None:
        super().__init__()
        self._files, self._split, self._ids = files, split, ids

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown, since no file has been read yet."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """A task for each file, whatever the parallelism."""
        return [
            ReadTask(
                partial(_rows, file, self._split, self._ids),
                BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=[file.path]),
                per_task_row_limit=per_task_row_limit,
            )
            for file in self._files
        ]


def accepted(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables that tasks of a :class:`LatentSource` made.

    Raises:
        InputError: a task refused a file, which is damaged, edited or exchanged.
    """
    for table in tables:
        refusal = pc.max(table[_REFUSAL]).as_py() if len(table) else ""
        if refusal:
            raise InputError(refusal)
        yield table


def first_row(table: pa.Table) -> pa.Table:
    """The row of a table that says why its file is refused, else its first one; ids alone."""
    if not table.num_rows:
        return table
    row = pc.index(table[_REFUSAL], pc.max(table[_REFUSAL])).as_py()
    return table.slice(row, 1).select(["utterance_id", _REFUSAL])


def rows_of_files(files: Sequence[StoredFile], split: str, ids: Sequence[str] | None) -> Iterator[pa.Table]:
    """Yield the utterances of a split in some files, or those of ``ids`` among them, for :func:`accepted`.

    A table holds a row group, so that whoever reads them one by one needs room for one.
    """
    for file in files:
        yield from _rows(file, split, ids)


def _rows(file: StoredFile, split: str, ids: Sequence[str] | None) -> Iterator[pa.Table]:
    try:
        for _, table in verified(
            open_file(Path(file.path), file.fingerprint).pieces(FRAME_COLUMNS, split, ids)
        ):
            yield table.append_column(_REFUSAL, pa.array([""] * len(table), pa.string()))
    except InputError as error:
        none = np.empty(0, np.float32)
        row = Utterance("", "", Split.TRAIN, np.empty((0, file.dim)), none, none, none)
        table = utterance_table([row], file.dim, 1.0).select(FRAME_COLUMNS)
        yield table.append_column(_REFUSAL, pa.array([str(error)], pa.string()))
