"""A folder of latent Parquet files as one dataset: its speakers, its normaliser, its hash and its rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.errors import InputError
from trainables.latents.storage.parquet_file import (
    ACOUSTIC_COLUMNS,
    META_KEY,
    PART_KEY,
    SCALAR_COLUMNS,
    SPLITS,
    LatentMeta,
    Split,
    Utterance,
    latent_frames,
    write_utterances,
)
from trainables.latents.storage.raw_schema import refuse_extension_types

__all__ = [
    "FRAME_COLUMNS",
    "SPLITS",
    "LatentDataset",
    "LatentMeta",
    "Split",
    "Utterance",
    "latent_frames",
    "open_dataset",
    "read_table",
    "write_utterances",
]

COLUMNS = frozenset([*SCALAR_COLUMNS, "frame_rate", "latents", *ACOUSTIC_COLUMNS])
FRAME_COLUMNS = ["utterance_id", "speaker_id", "latents"]  # what is read for training
_HOW_TO_MAKE = "make one with `python -m orchestrator.encode SOURCE --representation NAME --out FOLDER`"


def open_dataset(root: Path) -> LatentDataset:
    """The dataset in a folder of latent Parquet files, of which footers and scalar columns alone are read.

    Raises:
        InputError: no such folder, no latent dataset, a truncated or foreign file (named), files of two
            representations, an utterance written twice, or a speaker in two splits.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"latents folder {root} does not exist; {_HOW_TO_MAKE}")
    files = sorted(root.glob("*.parquet"))
    if not files:
        raise InputError(f"{root} holds no latent dataset (no .parquet file in it); {_HOW_TO_MAKE}")
    footers = [_read_footer(file) for file in files]
    metas = [meta for meta, _ in footers]
    for file, meta in zip(files, metas, strict=True):
        _require_same_kind(files[0], metas[0], file, meta)
    index = pa.concat_tables([_read_index(file) for file in files])
    _require_disjoint(root, index)
    return LatentDataset(root, files, metas[0], index, tuple(part for _, part in footers))


@dataclass(frozen=True, eq=False)
class LatentDataset:
    """An opened folder of latents.

    Attributes:
        root: the folder.
        files: its Parquet files, sorted.
        meta: what the latents have in common.
        index: a row per utterance, with utterance_id, speaker_id, split, num_frames and file.
        parts: of each file, the sum of squares and the number of training latents, and a digest of all rows.
    """

    root: Path
    files: list[Path]
    meta: LatentMeta
    index: pa.Table
    parts: tuple[dict[str, Any], ...]

    @cached_property
    def rms(self) -> float:
        """The normaliser: the root mean square of all training latents, in the codec's units.

        Raises:
            InputError: no utterance is in the training split, or all its latents are zero.
        """
        squares = sum(part["sum_squares"] for part in self.parts)
        values = sum(part["values"] for part in self.parts)
        if not squares > 0:
            raise InputError(
                f"{self.root} holds no training latents other than zero; encode more speakers into it"
            )
        return float(np.sqrt(squares / values))

    @cached_property
    def content_hash(self) -> str:
        """Hash of all that training can see, 16 hex digits; the order of rows and files is irrelevant."""
        total = sum(int(part["digest"], 16) for part in self.parts) % (1 << 256)
        kind = json.dumps(self.meta.kind(), sort_keys=True)
        return sha256(f"{total:064x} {kind}".encode()).hexdigest()[:16]

    def speakers(self, split: str) -> list[str]:
        """Ids of the speakers of a split, sorted."""
        return sorted(set(self._rows(split)["speaker_id"].to_pylist()))

    def utterances(self, split: str) -> list[str]:
        """Utterance ids of a split, sorted."""
        return sorted(self._rows(split)["utterance_id"].to_pylist())

    def frames(self, split: str) -> int:
        """Number of frames of a split, over all its utterances."""
        return int(pc.sum(self._rows(split)["num_frames"]).as_py() or 0)

    def tables(self, split: str, ids: Collection[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a split, file by file, with the columns :data:`FRAME_COLUMNS`.

        Args:
            split: train, validation or test.
            ids: of the utterances that are wanted; None stands for all.

        Raises:
            InputError: a file has been damaged since the dataset was opened.
        """
        rows = self._rows(split)
        if ids is not None:
            rows = rows.filter(pc.is_in(rows["utterance_id"], pa.array(list(ids), pa.string())))
        wanted = rows["utterance_id"].combine_chunks()
        for file in sorted(set(rows["file"].to_pylist())):
            table = read_table(Path(file), FRAME_COLUMNS)
            yield table.filter(pc.is_in(table["utterance_id"], wanted))

    def tracks(self, split: str) -> dict[str, dict[str, np.ndarray]]:
        """Acoustic tracks of each utterance of a split, [T] each, by utterance id and name.

        They are ``energy`` (dB), ``f0`` (Hz, 0 where unvoiced) and ``spectral_flux``; NaN where they are
        unknown, as in control worlds.

        Raises:
            InputError: a file has been damaged since the dataset was opened.
        """
        rows = self._rows(split)
        wanted, tracks = rows["utterance_id"].combine_chunks(), {}
        for file in sorted(set(rows["file"].to_pylist())):
            table = read_table(Path(file), ["utterance_id", *ACOUSTIC_COLUMNS])
            table = table.filter(pc.is_in(table["utterance_id"], wanted))
            for i, utterance_id in enumerate(table["utterance_id"].to_pylist()):
                tracks[utterance_id] = {name: table[name][i].values.to_numpy() for name in ACOUSTIC_COLUMNS}
        return tracks

    def require_speakers(self, minimum: int, split: str = Split.TEST) -> None:
        """Refuse a dataset with fewer than ``minimum`` speakers in ``split``.

        Raises:
            InputError: there are fewer; the message says how many, and the remedy.
        """
        count = len(self.speakers(split))
        if count < minimum:
            raise InputError(
                f"{self.root} has {count} {split} speaker{'s' * (count != 1)}, and an interval over speakers "
                f"needs at least {minimum}; encode more speakers into it"
            )

    def _rows(self, split: str) -> pa.Table:
        return self.index.filter(pc.equal(self.index["split"], split))


def read_table(file: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of one latent Parquet file, with some columns or, where there is no list, all of them.

    Raises:
        InputError: the file is truncated or damaged.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            return parquet.read(columns).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _read_footer(file: Path) -> tuple[LatentMeta, dict[str, Any]]:
    try:
        refuse_extension_types(file)  # before anything reads the schema
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error
    metadata = schema.metadata or {}
    if META_KEY not in metadata or PART_KEY not in metadata:
        raise InputError(f"{file} holds no latents, so {file.parent} is no latent dataset; {_HOW_TO_MAKE}")
    foreign = sorted(set(schema.names) - COLUMNS)
    if foreign:
        raise InputError(
            f"{file} has a column {foreign[0]!r}, which latents do not have; encode the corpus again"
        )
    try:
        return LatentMeta(**json.loads(metadata[META_KEY])), json.loads(metadata[PART_KEY])
    except (TypeError, ValueError) as error:
        raise InputError(f"{file} has metadata of another version ({error}); encode it again") from error


def _read_index(file: Path) -> pa.Table:
    table = read_table(file, SCALAR_COLUMNS)
    return table.append_column("file", pa.array([str(file)] * len(table), pa.string()))


def _damaged(file: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0].rstrip(". ")
    return InputError(
        f"{file} is truncated or damaged ({reason}); delete it and run the command that wrote it again"
    )


def _require_same_kind(first: Path, expected: LatentMeta, file: Path, meta: LatentMeta) -> None:
    if meta.representation != expected.representation:
        raise InputError(
            f"latents of two representations in one folder: {first} is {expected.representation} and {file} "
            f"is {meta.representation}; give each representation a folder of its own"
        )
    differing = [k for k, v in expected.kind().items() if meta.kind()[k] != v]
    if differing:
        raise InputError(
            f"{first} and {file} are both {meta.representation} but differ in {', '.join(differing)}; "
            "encode them again into separate folders"
        )


def _require_disjoint(root: Path, index: pa.Table) -> None:
    files_of = index.group_by("utterance_id").aggregate([("file", "count"), ("file", "min"), ("file", "max")])
    for row in files_of.filter(pc.greater(files_of["file_count"], 1)).to_pylist()[:1]:
        files = f"{row['file_min']} and {row['file_max']}"
        raise InputError(f"{files} both hold {row['utterance_id']}; delete one")
    splits = index.group_by("speaker_id").aggregate([("split", "count_distinct")])
    for row in splits.filter(pc.greater(splits["split_count_distinct"], 1)).to_pylist()[:1]:
        raise InputError(f"speaker {row['speaker_id']} of {root} is in two splits; encode the corpus again")
