"""Latent files as somebody might leave them: edited, with the footer of before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def rewrite(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Put other rows into a file, under the metadata that it had."""
    table = pq.read_table(file)
    changed = change(table).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, file, write_page_checksum=True)


def negate_latents(file: Path) -> None:
    """Turn every latent round: all norms, and so the normaliser, stay what they are."""
    rewrite(file, _negated)


def _negated(table: pa.Table) -> pa.Table:
    (column,) = table["latents"].chunks
    values = -column.values.values.to_numpy()
    halves = pa.Array.from_buffers(pa.float16(), len(values), [None, pa.py_buffer(values)])
    frames = pa.FixedSizeListArray.from_arrays(halves, type=column.type.value_type)
    latents = pa.ListArray.from_arrays(column.offsets, frames, type=column.type)
    return table.set_column(table.column_names.index("latents"), table.schema.field("latents"), latents)
