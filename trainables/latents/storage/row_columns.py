"""The columns of latent rows in Arrow: their names, and their values as flat arrays with offsets.

Shapes: D latent dimensions, U utterances, N frames of several utterances together.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

SCALAR_COLUMNS = ["utterance_id", "speaker_id", "split", "num_frames"]
ACOUSTIC_COLUMNS = ("energy", "f0", "spectral_flux")


def latent_frames(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a ``latents`` column, float16 [N, D], and the offsets [U + 1] of its utterances.

    Nothing is copied where the column is one chunk, sliced or not.
    """
    frames, offsets = _values(column)
    dim = frames.type.list_size
    flat = frames.values.slice(frames.offset * dim, len(frames) * dim).to_numpy(zero_copy_only=True)
    return flat.reshape(-1, dim)[offsets[0] : offsets[-1]], offsets - offsets[0]


def track_frames(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The values of an acoustic column, float32 [N], and the offsets [U + 1] of its utterances."""
    values, offsets = _values(column)
    return values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]], offsets - offsets[0]


def _values(column: pa.ChunkedArray | pa.Array) -> tuple[pa.Array, np.ndarray]:
    if isinstance(column, pa.ChunkedArray):
        chunks = column.chunks or [pa.array([], column.type)]
        column = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    return column.values, column.offsets.to_numpy().astype(np.int64)
