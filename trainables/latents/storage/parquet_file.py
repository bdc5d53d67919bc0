"""A latent Parquet file: a row per utterance, and frames in a flat buffer with offsets, not as objects.

Shapes: T frames of an utterance, D latent dimensions, U utterances, N frames of several utterances together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainables.latents.storage.file_part import FilePart
from trainables.latents.storage.row_columns import ACOUSTIC_COLUMNS, SCALAR_COLUMNS, latent_frames
from trainables.latents.storage.row_digests import row_digests

META_KEY, PART_KEY, FINGERPRINT_KEY = b"latents", b"latents.part", b"latents.fingerprint"
_TRACK = pa.list_(pa.field("element", pa.float32()))
_ROW_GROUP = 64  # utterances


class Split(StrEnum):
    """What the speakers of an utterance are for."""

    TRAIN = "train"  # to learn from
    VALIDATION = "validation"  # to choose settings by
    TEST = "test"  # to judge on


SPLITS = tuple(Split)
PREFIX = "control:"  # of the name of a control world


def of_control_world(representation: str) -> bool:
    """Whether frames are those of a control world, or derived from them, and no recording's."""
    return PREFIX in representation


@dataclass(frozen=True)
class LatentMeta:
    """What the latents of a dataset have in common; stored as JSON under ``latents`` in a file's metadata.

    Attributes:
        representation: "soundstream", "logmel", "mimi-12.5", "control:directional".
        dim: latent dimensions, D.
        frame_rate: of the latents, Hz.
        codec: name of the codec that decodes them; None where none does, as in most control worlds.
        codec_hash: of the codec's weights and settings.
        weights: path or hub id that the codec was loaded from; None where it has none.
        corpus_hash: of the source's listing.
        lattice_step: of the lattice that the latents lie on, dithered by half a step either way when they are
            loaded; None where they lie on none.
        world: of a control world its name, parameters and optimum, which may be None.
        note: what a reader of results must know, "random weights".
        source: folder of the audio, for those who want to hear the original.
    """

    representation: str
    dim: int
    frame_rate: float
    codec: str | None
    codec_hash: str
    weights: str | None
    corpus_hash: str
    lattice_step: float | None
    world: dict[str, Any] | None = None
    note: str = ""
    source: str | None = None

    def kind(self) -> dict[str, Any]:
        """The fields that agree between all files of a dataset."""
        return {
            k: v for k, v in asdict(self).items() if k not in ("weights", "corpus_hash", "note", "source")
        }


@dataclass(frozen=True)
class Utterance:
    """An utterance: its latents, and its acoustics in each frame.

    Attributes:
        utterance_id: unique in a dataset.
        speaker_id: of who speaks.
        split: train, validation or test, the same for all utterances of a speaker.
        latents: [T, D], in the codec's units.
        energy: [T], dB relative to full scale; NaN where unknown, as the other two.
        f0: [T], Hz; 0 where unvoiced.
        spectral_flux: [T], from 0 to 2.
    """

    utterance_id: str
    speaker_id: str
    split: str
    latents: np.ndarray
    energy: np.ndarray
    f0: np.ndarray
    spectral_flux: np.ndarray


def write_utterances(path: Path, utterances: Sequence[Utterance], meta: LatentMeta) -> None:
    """Write a latent Parquet file, under a temporary name that is renamed at the end.

    A reader therefore never meets half a file.

    Args:
        path: of the file, whose folder is made.
        utterances: in any order; they are stored by split and id.
        meta: what they have in common.

    Raises:
        ValueError: an utterance contradicts ``meta`` or itself, or a latent is not finite in float16.
    """
    rows = sorted(utterances, key=lambda u: (u.split, u.utterance_id))
    table = utterance_table(rows, meta.dim, meta.frame_rate)
    common, part = json.dumps(asdict(meta), allow_nan=False), _part(rows, meta.dim, table)
    table = table.replace_schema_metadata(
        {
            META_KEY: common,
            PART_KEY: json.dumps(part.to_json()),
            FINGERPRINT_KEY: part.fingerprint(common, table),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=["speaker_id", "split"],
            use_byte_stream_split=["latents.list.element.list.element"],  # a third smaller than plain zstd
            write_page_checksum=True,
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def storable_latents(row: Utterance, dim: int) -> np.ndarray:
    """The latents of an utterance as float16 [T, D], once everything about the row has been checked.

    Args:
        row: the utterance.
        dim: latent dimensions of the dataset, D.

    Raises:
        ValueError: an unknown split, latents of another shape or not finite in float16, or a track of another
            length; the message names the utterance.
    """
    with np.errstate(over="ignore"):  # an overflow is reported below, with the utterance's name
        latents = np.ascontiguousarray(row.latents, dtype=np.float16)
    if row.split not in SPLITS:
        raise ValueError(f"{row.utterance_id}: split is {row.split!r}; it must be one of {', '.join(SPLITS)}")
    if latents.ndim != 2 or latents.shape[1] != dim:
        raise ValueError(f"{row.utterance_id}: latents of shape {latents.shape}, not [frames, {dim}]")
    if not np.isfinite(latents).all():
        raise ValueError(f"{row.utterance_id}: latents are not finite, or too large for float16")
    if any(len(getattr(row, name)) != len(latents) for name in ACOUSTIC_COLUMNS):
        raise ValueError(f"{row.utterance_id}: energy, f0 and spectral_flux must have {len(latents)} frames")
    return latents


def utterance_table(rows: Sequence[Utterance], dim: int, frame_rate: float) -> pa.Table:
    """A table of utterances as they are stored, in the order given.

    Raises:
        ValueError: see :func:`storable_latents`.
    """
    latents = [storable_latents(row, dim) for row in rows]
    names = SCALAR_COLUMNS[:3]
    columns = {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in names}
    columns["frame_rate"] = pa.array(np.full(len(rows), frame_rate), pa.float64())
    columns["num_frames"] = pa.array([len(z) for z in latents], pa.int64())
    columns["latents"] = _nested_latents(latents, dim)
    for name in ACOUSTIC_COLUMNS:
        columns[name] = _nested_track([getattr(row, name) for row in rows])
    return pa.table(columns)


def table_utterances(table: pa.Table) -> list[Utterance]:
    """The utterances of a table from :func:`utterance_table`; their arrays are views of its buffers."""
    if not len(table):
        return []
    frames, offsets = latent_frames(table["latents"])
    tracks = {name: pa.concat_arrays(table[name].chunks).flatten().to_numpy() for name in ACOUSTIC_COLUMNS}
    scalars = table.select(SCALAR_COLUMNS[:3]).to_pylist()
    spans = [slice(begin, end) for begin, end in zip(offsets[:-1], offsets[1:], strict=True)]
    return [
        Utterance(**row, latents=frames[span], **{name: track[span] for name, track in tracks.items()})
        for row, span in zip(scalars, spans, strict=True)
    ]


def _nested_latents(latents: Sequence[np.ndarray], dim: int) -> pa.ListArray:
    frame = pa.list_(pa.field("element", pa.float16()), dim)  # "element" is what Parquet reads back
    values = np.concatenate([np.empty((0, dim), np.float16), *latents]).reshape(-1)
    # pa.array would take half floats one by one, in a tenth of the time that SoundStream needs to make them.
    halves = pa.Array.from_buffers(pa.float16(), len(values), [None, pa.py_buffer(values)])
    frames = pa.FixedSizeListArray.from_arrays(halves, type=frame)
    return pa.ListArray.from_arrays(_offsets(latents), frames, type=pa.list_(pa.field("element", frame)))


def _nested_track(rows: Sequence[np.ndarray]) -> pa.ListArray:
    values = np.concatenate([np.empty(0), *rows]).astype(np.float32)
    return pa.ListArray.from_arrays(_offsets(rows), pa.array(values), type=_TRACK)


def _offsets(rows: Sequence[np.ndarray]) -> pa.Array:
    return pa.array(np.cumsum([0, *(len(row) for row in rows)]).astype(np.int32))


def _part(rows: Sequence[Utterance], dim: int, table: pa.Table) -> FilePart:
    # Of the training split, so that the normaliser takes no more than footers.
    train = [storable_latents(row, dim).astype(np.float64) for row in rows if row.split == Split.TRAIN]
    return FilePart(
        sum_squares=float(sum(np.square(z).sum() for z in train)),
        values=int(sum(z.size for z in train)),
        rows=row_digests(table),
    )
