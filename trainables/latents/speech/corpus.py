"""A folder of audio: the recordings in it, who speaks, and which split each speaker belongs to.

These layouts are recognised, in this order:

1. ``metadata.csv`` with the columns utterance_id, speaker_id, path and split: whose split is given, wins.
2. LibriSpeech: files called SPEAKER-CHAPTER-UTTERANCE somewhere below a folder called SPEAKER. Subset folders
   (train-*, dev-*, test-*) decide the split.
3. ``metadata.csv`` without the column split.
4. Common Voice: tables train.tsv, dev.tsv and test.tsv (or validated.tsv) beside a folder ``clips``.
5. LibriTTS, MLS, VCTK, and one folder per speaker: see :mod:`~trainables.latents.speech.speaker_folders`.

Elsewhere, and wherever the user gives it, a pattern tells the speaker from a file's path.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from trainables.errors import InputError
from trainables.latents.speech.audio_tree import AUDIO_SUFFIXES, audio_tree, is_utf8
from trainables.latents.speech.listing import (
    COLUMNS,
    VOICE_COLUMNS,
    Listing,
    path_on_disk,
    read_listing,
    speaker_of,
)
from trainables.latents.speech.speaker_folders import (
    speakers_by_folders,
    speakers_in_several,
    subset_of,
    subsets_by_speaker,
)
from trainables.latents.speech.speaker_ids import SpeakerPattern, clean_id, near_equal_ids
from trainables.latents.speech.splits import split_by_subset, split_speakers
from trainables.latents.storage.parquet_file import SPLITS, Split

__all__ = ["AUDIO_SUFFIXES", "Corpus", "Recording", "audio_by_id", "find_corpus"]

_LIBRISPEECH = re.compile(r"(\d+)-\d+-\d+")
_SUBSET = re.compile(r"(train|dev|test)-\w")
_VOICE_TABLES = ("train.tsv", "dev.tsv", "test.tsv")  # of Common Voice; or else the one of all that is valid
_VOICE_TABLE, _VOICE_FOLDER = "validated.tsv", "clips"
_METADATA, _COMMON_VOICE = "metadata.csv", "Common Voice"  # layouts that list their files
_NO_ROOM = "it has no place in the layout of the source"
_UNLISTED = "it is not in the list"


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
        layout: how the source was understood, in words.
        left_out: other files and folders that may hold audio and are no recordings, with the reason.
        warnings: sentences on what may be wrong with the source.
    """

    recordings: tuple[Recording, ...]
    strays: tuple[Path, ...] = ()
    layout: str = ""
    left_out: tuple[tuple[Path, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Hash of the listing, of who said what in which split: 16 hex digits."""
        listing = "\n".join(f"{r.utterance_id}\t{r.speaker_id}\t{r.split}" for r in self.recordings)
        return sha256(listing.encode()).hexdigest()[:16]

    @property
    def not_taken(self) -> list[tuple[Path, str]]:
        """All that may be audio and is no recording, with the reason, strays included."""
        why = _UNLISTED if self.layout.startswith((_METADATA, _COMMON_VOICE)) else _NO_ROOM
        return sorted([*((path, why) for path in self.strays), *self.left_out])

    def first(self, limit: int | None) -> list[Recording]:
        """At most ``limit`` recordings, from each split in turn and, in a split, from each speaker in turn.

        So even a few recordings make a dataset with several speakers in every split, and a larger number of
        them contains a smaller one. None stands for all.
        """
        splits: dict[str, dict[str, list[Recording]]] = {split: defaultdict(list) for split in SPLITS}
        for recording in self.recordings:
            splits[recording.split][recording.speaker_id].append(recording)
        return list(itertools.islice(_in_turn(_in_turn(group.values()) for group in splits.values()), limit))


def find_corpus(source: Path, speaker_from: str | None = None) -> Corpus:
    """The recordings below ``source``, with splits by speaker that are the same in every run.

    Args:
        source: folder of audio.
        speaker_from: regular expression with a group that finds the speaker in a path below the source; None
            where the layout says who speaks.

    Raises:
        InputError: no such folder, no audio in it, no word on who speaks, two files of one utterance id, or a
            metadata.csv that lacks something or contradicts itself.
    """
    if not source.is_dir():
        raise InputError(f"source {source} is not a folder; give a folder of audio files")
    if not is_utf8(str(source.absolute())):
        raise InputError(f"source {str(source)!r} has a name that is not UTF-8; rename the folder")
    pattern = None if speaker_from is None else SpeakerPattern(speaker_from)
    tree = audio_tree(source)
    corpus = _understood(source, tree.files, pattern)
    if not corpus.recordings:
        unread = "".join(f"; {path} is left out: {why}" for path, why in tree.left_out[:3])
        raise InputError(f"source {source} holds no audio file ({', '.join(AUDIO_SUFFIXES)}){unread}")
    _require_unique(corpus.recordings)
    warnings = (*corpus.warnings, *near_equal_ids({r.speaker_id for r in corpus.recordings}))
    listed = {recording.path for recording in corpus.recordings}
    left_out = tuple((path, why) for path, why in tree.left_out if path not in listed)
    return replace(corpus, left_out=left_out, warnings=warnings)


def audio_by_id(source: Path, ids: Collection[str]) -> dict[str, Path]:
    """The audio files of utterances by their ids, whoever speaks; those that are not there are left out.

    Raises:
        InputError: ``source`` has a metadata.csv that cannot be read.
    """
    files = audio_tree(source).files if source.is_dir() else []
    paths = {clean_id(file.stem): file for file in files} | {_place_id(source, file): file for file in files}
    if (source / "metadata.csv").is_file():
        for row in read_listing(source / "metadata.csv").rows:
            if {"utterance_id", "path"} <= row.cells.keys():
                name = clean_id(row.cells["utterance_id"])
                paths[name] = path_on_disk(source, row.cells["path"])
    return {name: paths[name] for name in sorted(ids) if name in paths}


def _understood(source: Path, files: list[Path], pattern: SpeakerPattern | None) -> Corpus:
    listing = read_listing(source / "metadata.csv") if (source / "metadata.csv").is_file() else None
    librispeech = 2 * sum(_librispeech_speaker(file) is not None for file in files) > len(files)
    if listing and (pattern or "split" in listing.columns or not librispeech):
        return _from_metadata(listing, files, pattern)
    if pattern:
        return _from_pattern(source, files, pattern)
    if librispeech:
        return _from_librispeech(source, files)
    if tables := _voice_tables(source, files):
        return _from_common_voice(tables, files)
    return _from_folders(source, files)


# LibriSpeech


def _from_librispeech(source: Path, files: list[Path]) -> Corpus:
    speakers = {file: speaker for file in files if (speaker := _librispeech_speaker(file))}
    subsets: dict[str, set[str]] = {speaker: set() for speaker in speakers.values()}
    for file, speaker in speakers.items():
        names = (_SUBSET.match(part) for part in file.relative_to(source).parent.parts)
        subsets[speaker] |= {name[1] for name in names if name}
    splits = split_by_subset(subsets)
    recordings = [Recording(file.stem, s, splits[s], file) for file, s in speakers.items()]
    return _corpus("LibriSpeech", recordings, _others(files, speakers), speakers_in_several(subsets))


def _librispeech_speaker(file: Path) -> str | None:
    name = _LIBRISPEECH.fullmatch(file.stem)
    return name[1] if name and name[1] in file.parent.parts else None


# metadata.csv and Common Voice


def _from_metadata(listing: Listing, files: list[Path], pattern: SpeakerPattern | None) -> Corpus:
    listing.require([name for name in COLUMNS if pattern is None or name != "speaker_id"])
    if not listing.rows:
        raise InputError(
            f"source {listing.file.parent} holds no audio that is listed: {listing.file} has no rows "
            "below its header; add them, or remove the file"
        )
    folder, speakers = listing.file.parent, {}
    for row in listing.rows:
        place = Path(row.cells["path"].replace("\\", "/"))
        speaker = speaker_of(row, "speaker_id") if pattern is None else pattern.speaker(place)
        if not speaker:
            raise InputError(f"{listing.file}, line {row.line}: --speaker-from finds no speaker in {place}")
        speakers[row.line] = speaker
    given = "split" in listing.columns
    splits = _given_splits(listing, speakers) if given else split_speakers(set(speakers.values()))
    recordings = [
        Recording(clean_id(row.cells["utterance_id"]), speaker, splits[speaker], path)
        for row in listing.rows
        for speaker, path in [(speakers[row.line], path_on_disk(folder, row.cells["path"]))]
    ]
    layout = f"{_METADATA}, {'with' if given else 'without'} a column split"
    return _corpus(layout, recordings, _others(files, {r.path for r in recordings}))


def _given_splits(listing: Listing, speakers: Mapping[int, str]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for row in listing.rows:
        speaker, split = speakers[row.line], row.cells["split"]
        here = f"{listing.file}, line {row.line}"
        if split not in SPLITS:
            raise InputError(f"{here}: split is {split!r}; it must be one of {', '.join(SPLITS)}")
        if splits.setdefault(speaker, Split(split)) != split:
            raise InputError(
                f"{here}: speaker {speaker} is in {splits[speaker]} and in {split}; "
                "a speaker belongs to one split"
            )
    return splits


def _voice_tables(source: Path, files: list[Path]) -> list[Listing]:
    """The tables of Common Voice below a source, with a row for each clip."""
    clips = {file.parent for file in files if file.parent.name == _VOICE_FOLDER}
    roots = {folder.parent for folder in clips - {source}}
    tables = []
    for root in sorted(roots):
        present = [root / name for name in _VOICE_TABLES if (root / name).is_file()]
        names = present or [root / _VOICE_TABLE] * (root / _VOICE_TABLE).is_file()
        tables += [read_listing(name, quoted=False) for name in names]
    return [table for table in tables if set(VOICE_COLUMNS) <= set(table.columns)]


def _from_common_voice(tables: Sequence[Listing], files: list[Path]) -> Corpus:
    speakers: dict[Path, str] = {}
    subsets: dict[Path, set[str]] = {}
    for table in tables:
        table.require(VOICE_COLUMNS)
        for row in table.rows:
            path = path_on_disk(table.file.parent / _VOICE_FOLDER, row.cells["path"])
            speakers[path] = speaker_of(row, "client_id")
            subsets.setdefault(path, set()).add(subset_of(table.file.stem))
    by_speaker = subsets_by_speaker(speakers, {path: those - {""} for path, those in subsets.items()})
    splits = split_by_subset(by_speaker)
    recordings = [Recording(clean_id(path.stem), s, splits[s], path) for path, s in speakers.items()]
    return _corpus(_COMMON_VOICE, recordings, _others(files, speakers), speakers_in_several(by_speaker))


# Folders and patterns


def _from_folders(source: Path, files: list[Path]) -> Corpus:
    told = speakers_by_folders(source, files)
    if files and told.doubt:
        raise InputError(
            f"source {source} does not say who speaks ({told.doubt}); give --speaker-from PATTERN, give each "
            f"speaker a folder of their own, or add metadata.csv with the columns {', '.join(COLUMNS)}"
        )
    speakers = {file: clean_id(speaker) for file, speaker in told.speakers.items()}
    by_speaker = subsets_by_speaker(speakers, told.subsets)
    splits = split_by_subset(by_speaker)
    recordings = [
        Recording(clean_id(file.stem) if told.named_by_stem else _place_id(source, file), s, splits[s], file)
        for file, s in speakers.items()
    ]
    warnings = [*told.warnings, *speakers_in_several(by_speaker)]
    return _corpus(told.layout, recordings, _others(files, speakers), warnings)


def _from_pattern(source: Path, files: list[Path], pattern: SpeakerPattern) -> Corpus:
    found = {file: pattern.speaker(file.relative_to(source)) for file in files}
    speakers = {file: speaker for file, speaker in found.items() if speaker}
    if files and not speakers:
        raise InputError(
            f"--speaker-from finds no speaker in any of the {len(files)} paths below {source}, such as "
            f"{files[0].relative_to(source)}; correct the pattern"
        )
    folders = {file: file.relative_to(source).parent.parts for file in speakers}
    subsets = {file: {name for part in parts if (name := subset_of(part))} for file, parts in folders.items()}
    by_speaker = subsets_by_speaker(speakers, subsets)
    splits = split_by_subset(by_speaker)
    recordings = [Recording(_place_id(source, file), s, splits[s], file) for file, s in speakers.items()]
    warnings = speakers_in_several(by_speaker)
    return _corpus("speakers by --speaker-from", recordings, _others(files, speakers), warnings)


def _place_id(source: Path, file: Path) -> str:
    return clean_id(file.relative_to(source).with_suffix("").as_posix())


def _others(files: Iterable[Path], taken: Mapping[Path, str] | set[Path]) -> list[Path]:
    return [file for file in files if file not in taken]


def _corpus(
    layout: str, recordings: Iterable[Recording], strays: Iterable[Path], warnings: Iterable[str] = ()
) -> Corpus:
    ordered = tuple(sorted(recordings, key=lambda r: r.utterance_id))
    return Corpus(ordered, tuple(strays), layout, warnings=tuple(warnings))


def _require_unique(recordings: tuple[Recording, ...]) -> None:
    for one, other in itertools.pairwise(recordings):
        if one.utterance_id == other.utterance_id:
            raise InputError(f"{one.path} and {other.path} are both utterance {one.utterance_id}; rename one")


def _in_turn(queues: Iterable[Iterable[Recording]]) -> Iterator[Recording]:
    """The first of each queue, then the second of each, until all are empty."""
    for round_ in itertools.zip_longest(*queues):
        yield from (recording for recording in round_ if recording is not None)
