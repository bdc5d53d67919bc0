"""The part of a dataset that one file holds, as its footer describes it: statistics, and digests of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa

from trainables.latents.storage.row_columns import SCALAR_COLUMNS


@dataclass(frozen=True)
class FilePart:
    """What a folder needs of each of its files, so that opening it reads no frames.

    Attributes:
        sum_squares: of the latents of the training split, from which the normaliser follows.
        values: number of latents of the training split.
        rows: digests of the file's rows in their order, under ``latents`` and ``tracks``.
    """

    sum_squares: float
    values: int
    rows: Mapping[str, list[str]]

    def fingerprint(self, meta: str, index: pa.Table) -> str:
        """Hash of the file's statistics, digests, metadata and scalar columns, 64 hex digits.

        Args:
            meta: the metadata, as JSON.
            index: the scalar columns of all rows.
        """
        scalars = [index[name].to_pylist() for name in SCALAR_COLUMNS]
        return sha256(json.dumps([meta, self.to_json(), scalars]).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The part as plain data."""
        return {"sum_squares": self.sum_squares, "values": self.values, "rows": dict(self.rows)}
