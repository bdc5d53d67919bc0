"""A folder of audio: the recordings in it, who speaks, and which split each speaker belongs to.

Three layouts are recognised, in this order:

1. LibriSpeech: files called SPEAKER-CHAPTER-UTTERANCE somewhere below a folder called SPEAKER. Subset folders
   (train-*, dev-*, test-*) decide the split.
2. ``metadata.csv`` with the columns utterance_id, speaker_id, path and, where the user decides it, split.
3. One folder per speaker, directly below the source.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from trainables.errors import InputError
from trainables.latents.speech.splits import split_by_subset, split_speakers
from trainables.latents.storage.parquet_file import SPLITS, Split

AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
_LIBRISPEECH = re.compile(r"(\d+)-\d+-\d+")
_SUBSET = re.compile(r"(train|dev|test)-\w")
_COLUMNS = ("utterance_id", "speaker_id", "path")


@dataclass(frozen=True)
class Recording:
    """An audio file, its ids, and the split of its speaker."""

    utterance_id: str
    speaker_id: str
    split: str
    path: Path


@dataclass(frozen=True)
class Corpus:
    """The recordings of a source.

    Attributes:
        recordings: sorted by utterance id.
        strays: audio files without a place in the source's layout.
    """

    recordings: tuple[Recording, ...]
    strays: tuple[Path, ...] = ()

    @property
    def hash(self) -> str:
        """Hash of the listing, of who said what in which split: 16 hex digits."""
        listing = "\n".join(f"{r.utterance_id}\t{r.speaker_id}\t{r.split}" for r in self.recordings)
        return sha256(listing.encode()).hexdigest()[:16]

    def first(self, limit: int | None) -> list[Recording]:
        """At most ``limit`` recordings, from each split in turn and, in a split, from each speaker in turn.

        So even a few recordings make a dataset with several speakers in every split, and a larger number of
        them contains a smaller one. None stands for all.
        """
        splits: dict[str, dict[str, list[Recording]]] = {split: defaultdict(list) for split in SPLITS}
        for recording in self.recordings:
            splits[recording.split][recording.speaker_id].append(recording)
        return list(itertools.islice(_in_turn(_in_turn(group.values()) for group in splits.values()), limit))


def find_corpus(source: Path) -> Corpus:
    """The recordings below ``source``, with splits by speaker that are the same in every run.

    Raises:
        InputError: no such folder, no audio in it, no word on who speaks, two files of one utterance id, or a
            metadata.csv that lacks something or contradicts itself.
    """
    if not source.is_dir():
        raise InputError(f"source {source} is not a folder; give a folder of audio files")
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.name[0] != ".")
    if 2 * sum(_librispeech_speaker(file) is not None for file in files) > len(files):
        corpus = _from_librispeech(source, files)
    elif (source / "metadata.csv").is_file():
        corpus = _from_metadata(source / "metadata.csv")
    else:
        corpus = _from_folders(source, files)
    if not corpus.recordings:
        raise InputError(f"source {source} holds no audio file ({', '.join(AUDIO_SUFFIXES)})")
    _require_unique(corpus.recordings)
    return corpus


def _from_librispeech(source: Path, files: list[Path]) -> Corpus:
    speakers = {file: speaker for file in files if (speaker := _librispeech_speaker(file))}
    subsets: dict[str, set[str]] = {speaker: set() for speaker in speakers.values()}
    for file, speaker in speakers.items():
        names = (_SUBSET.match(part) for part in file.relative_to(source).parent.parts)
        subsets[speaker] |= {name[1] for name in names if name}
    splits = split_by_subset(subsets)
    recordings = [Recording(file.stem, s, splits[s], file) for file, s in speakers.items()]
    return _corpus(recordings, (file for file in files if file not in speakers))


def _librispeech_speaker(file: Path) -> str | None:
    name = _LIBRISPEECH.fullmatch(file.stem)
    return name[1] if name and name[1] in file.parent.parts else None


def _from_metadata(listing: Path) -> Corpus:
    with listing.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{listing} has no column {missing[0]}; it needs {', '.join(_COLUMNS)}")
        given = "split" in (reader.fieldnames or ())
        rows = list(reader)
    for number, row in enumerate(rows, start=2):
        empty = [name for name in _COLUMNS if not row[name]]
        if empty:
            raise InputError(f"{listing}, line {number}: {empty[0]} is empty")
    splits = _given_splits(listing, rows) if given else split_speakers({row["speaker_id"] for row in rows})
    recordings = [(row["utterance_id"], row["speaker_id"], listing.parent / row["path"]) for row in rows]
    return _corpus(Recording(name, s, splits[s], file) for name, s, file in recordings)


def _given_splits(listing: Path, rows: list[dict[str, str]]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for number, row in enumerate(rows, start=2):
        speaker, split = row["speaker_id"], row["split"]
        if split not in SPLITS:
            allowed = ", ".join(SPLITS)
            raise InputError(f"{listing}, line {number}: split is {split!r}; it must be one of {allowed}")
        if splits.setdefault(speaker, Split(split)) != split:
            raise InputError(
                f"{listing}, line {number}: speaker {speaker} is in {splits[speaker]} and in {split}; "
                "a speaker belongs to one split"
            )
    return splits


def _from_folders(source: Path, files: list[Path]) -> Corpus:
    speakers = {file: file.relative_to(source).parts[0] for file in files if file.parent != source}
    if files and not speakers:
        raise InputError(
            f"source {source} does not say who speaks; give each speaker a folder of their own, or "
            f"add metadata.csv with the columns {', '.join(_COLUMNS)}"
        )
    splits = split_speakers(set(speakers.values()))
    names = {file: file.relative_to(source).with_suffix("").as_posix() for file in speakers}
    recordings = [Recording(names[file], s, splits[s], file) for file, s in speakers.items()]
    return _corpus(recordings, (file for file in files if file not in speakers))


def _corpus(recordings: Iterable[Recording], strays: Iterable[Path] = ()) -> Corpus:
    return Corpus(tuple(sorted(recordings, key=lambda r: r.utterance_id)), tuple(strays))


def _require_unique(recordings: tuple[Recording, ...]) -> None:
    for one, other in itertools.pairwise(recordings):
        if one.utterance_id == other.utterance_id:
            raise InputError(f"{one.path} and {other.path} are both utterance {one.utterance_id}; rename one")


def _in_turn(queues: Iterable[Iterable[Recording]]) -> Iterator[Recording]:
    """The first of each queue, then the second of each, until all are empty."""
    for round_ in itertools.zip_longest(*queues):
        yield from (recording for recording in round_ if recording is not None)
