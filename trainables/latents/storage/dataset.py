"""A folder of latent Parquet files as one dataset: its speakers, its normaliser, its hash and its rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainables.errors import InputError
from trainables.latents.storage.latent_file import HOW_TO_MAKE, LatentFile, open_file, verified
from trainables.latents.storage.parquet_file import SPLITS, LatentMeta, Split, Utterance, write_utterances
from trainables.latents.storage.row_columns import ACOUSTIC_COLUMNS, SCALAR_COLUMNS, latent_frames
from trainables.latents.storage.row_digests import DIGESTED

__all__ = [
    "FRAME_COLUMNS",
    "SPLITS",
    "LatentDataset",
    "LatentMeta",
    "Split",
    "Utterance",
    "latent_frames",
    "open_dataset",
    "whole_file",
    "write_utterances",
]

FRAME_COLUMNS = ["utterance_id", "speaker_id", "latents"]  # what is read for training


def open_dataset(root: Path) -> LatentDataset:
    """The dataset in a folder of latent Parquet files, of which footers and scalar columns alone are read.

    Raises:
        InputError: no such folder, no latent dataset, a truncated or foreign file (named), files of two
            representations, an utterance written twice, or a speaker in two splits.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"latents folder {root} does not exist; {HOW_TO_MAKE}")
    paths = sorted(root.glob("*.parquet"))
    if not paths:
        raise InputError(f"{root} holds no latent dataset (no .parquet file in it); {HOW_TO_MAKE}")
    opened = [open_file(path) for path in paths]
    for file in opened:
        _require_same_kind(opened[0], file)
    index = pa.concat_tables([_index(file) for file in opened])
    _require_disjoint(root, index)
    return LatentDataset(root, paths, opened[0].meta, index, tuple(opened))


@dataclass(frozen=True, eq=False)
class LatentDataset:
    """An opened folder of latents.

    Attributes:
        root: the folder.
        files: its Parquet files, sorted.
        meta: what the latents have in common.
        index: a row per utterance, with utterance_id, speaker_id, split, num_frames and file.
        opened: the same files with their statistics and the digests of their rows.
    """

    root: Path
    files: list[Path]
    meta: LatentMeta
    index: pa.Table
    opened: tuple[LatentFile, ...]

    @cached_property
    def rms(self) -> float:
        """The normaliser: the root mean square of all training latents, in the codec's units.

        Raises:
            InputError: no utterance is in the training split, or all its latents are zero.
        """
        squares = sum(file.part.sum_squares for file in self.opened)
        values = sum(file.part.values for file in self.opened)
        if not squares > 0:
            raise InputError(
                f"{self.root} holds no training latents other than zero; encode more speakers into it"
            )
        return float(np.sqrt(squares / values))

    @cached_property
    def content_hash(self) -> str:
        """Hash of all rows and of what they have in common, 16 hex digits.

        It follows from the digests of rows, so neither their order nor their division into files matters.
        """
        digests = sorted(row for file in self.opened for row in zip(*_digests_by_row(file), strict=True))
        kind = json.dumps(self.meta.kind(), sort_keys=True)
        return sha256(json.dumps([digests, kind]).encode()).hexdigest()[:16]

    def speakers(self, split: str) -> list[str]:
        """Ids of the speakers of a split, sorted."""
        return sorted(set(self._rows(split)["speaker_id"].to_pylist()))

    def utterances(self, split: str) -> list[str]:
        """Utterance ids of a split, sorted."""
        return sorted(self._rows(split)["utterance_id"].to_pylist())

    def lengths(self, *splits: str) -> dict[str, int]:
        """Number of frames of every utterance of some splits, by id."""
        rows = self.index.filter(pc.is_in(self.index["split"], pa.array(splits, pa.string())))
        return dict(zip(rows["utterance_id"].to_pylist(), rows["num_frames"].to_pylist(), strict=True))

    def frames(self, split: str) -> int:
        """Number of frames of a split, over all its utterances."""
        return int(pc.sum(self._rows(split)["num_frames"]).as_py() or 0)

    def tables(self, split: str, ids: Collection[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a split, file by file, with the columns :data:`FRAME_COLUMNS`.

        Args:
            split: train, validation or test.
            ids: of the utterances that are wanted; None stands for all.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened.
        """
        yield from self._read(FRAME_COLUMNS, split, ids)

    def tracks(self, split: str) -> dict[str, dict[str, np.ndarray]]:
        """Acoustic tracks of each utterance of a split, [T] each, by utterance id and name.

        They are ``energy`` (dB), ``f0`` (Hz, 0 where unvoiced) and ``spectral_flux``; NaN where they are
        unknown, as in control worlds.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened.
        """
        tracks = {}
        for table in self._read(["utterance_id", *ACOUSTIC_COLUMNS], split, None):
            for i, utterance_id in enumerate(table["utterance_id"].to_pylist()):
                tracks[utterance_id] = {name: table[name][i].values.to_numpy() for name in ACOUSTIC_COLUMNS}
        return tracks

    def _read(
        self, columns: Sequence[str], split: str | None, ids: Collection[str] | None
    ) -> Iterator[pa.Table]:
        pieces = chain.from_iterable(file.pieces(columns, split, ids) for file in self.opened)
        for _, own in groupby(verified(pieces), key=lambda piece: piece[0]):
            yield pa.concat_tables(table for _, table in own)

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


def whole_file(path: Path) -> pa.Table:
    """The rows of one latent file with latents and acoustic tracks, as they were written.

    Raises:
        InputError: the file is truncated or damaged, or a row differs from its digest.
    """
    columns = [*SCALAR_COLUMNS, "latents", *ACOUSTIC_COLUMNS]
    return pa.concat_tables(table for _, table in verified(open_file(path).pieces(columns)))


def _index(file: LatentFile) -> pa.Table:
    return file.index.append_column("file", pa.array([str(file.path)] * len(file.index), pa.string()))


def _digests_by_row(file: LatentFile) -> list[list[str]]:
    return [file.part.rows[kind] for kind in DIGESTED]


def _require_same_kind(first: LatentFile, file: LatentFile) -> None:
    expected, meta = first.meta, file.meta
    if meta.representation != expected.representation:
        raise InputError(
            f"latents of two representations in one folder: {first.path} is {expected.representation} and "
            f"{file.path} is {meta.representation}; give each representation a folder of its own"
        )
    differing = [k for k, v in expected.kind().items() if meta.kind()[k] != v]
    if differing:
        raise InputError(
            f"{first.path} and {file.path} are both {meta.representation} but differ in "
            f"{', '.join(differing)}; encode them again into separate folders"
        )


def _require_disjoint(root: Path, index: pa.Table) -> None:
    files_of = index.group_by("utterance_id").aggregate([("file", "count"), ("file", "min"), ("file", "max")])
    for row in files_of.filter(pc.greater(files_of["file_count"], 1)).to_pylist()[:1]:
        files = f"{row['file_min']} and {row['file_max']}"
        raise InputError(f"{files} both hold {row['utterance_id']}; delete one")
    splits = index.group_by("speaker_id").aggregate([("split", "count_distinct")])
    for row in splits.filter(pc.greater(splits["split_count_distinct"], 1)).to_pylist()[:1]:
        raise InputError(f"speaker {row['speaker_id']} of {root} is in two splits; encode the corpus again")
