"""Digests of latent rows as they are stored: what tells a row from an edited, damaged or exchanged one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np
import pyarrow as pa

from trainables.latents.storage.row_columns import (
    ACOUSTIC_COLUMNS,
    SCALAR_COLUMNS,
    latent_frames,
    track_frames,
)

# Two digests for each row, since those who train read no tracks.
DIGESTED = {"latents": ("latents",), "tracks": ACOUSTIC_COLUMNS}


def row_digests(table: pa.Table) -> dict[str, list[str]]:
    """SHA-256 of each row, 64 hex digits, under ``latents`` and ``tracks``, as far as the table has both.

    A digest covers the utterance's id, speaker, split and number of frames, and the values as little-endian
    bytes: the latents as float16, or energy, f0 and spectral flux one after the other as float32.

    Args:
        table: with the columns :data:`SCALAR_COLUMNS`, and ``latents`` or all acoustic tracks or both.
    """
    identities = list(_identities(table))
    return {
        kind: _digests(kind, identities, [_frames(table, name) for name in columns])
        for kind, columns in DIGESTED.items()
        if set(columns) <= set(table.column_names)
    }


def _identities(table: pa.Table) -> Iterator[str]:
    # As JSON, in which no two rows are written alike, whatever characters their ids hold.
    return (
        json.dumps(row) for row in zip(*(table[name].to_pylist() for name in SCALAR_COLUMNS), strict=True)
    )


def _frames(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    values, offsets = latent_frames(table[name]) if name == "latents" else track_frames(table[name])
    return values.astype(values.dtype.newbyteorder("<"), copy=False), offsets


def _digests(
    kind: str, identities: Sequence[str], columns: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[str]:
    digests = []
    for i, identity in enumerate(identities):
        digest = sha256(f"{kind} {identity}\n".encode())
        for values, offsets in columns:
            digest.update(values[offsets[i] : offsets[i + 1]].data)
        digests.append(digest.hexdigest())
    return digests
