"""Who speaks, told from folders and names: LibriTTS, MLS, VCTK and a folder per speaker.

A folder is surely a speaker's where the names of its files begin with its name. Elsewhere it has to be the
first below the source, or the first below folders that are no speakers (subsets, formats). What this leaves
open is refused: a guess would put one voice into several splits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

_SUBSET = re.compile(r"(train|dev|test|valid|validation|eval)([-_.]\w.*)?", re.IGNORECASE)
_NAMED = {"valid": "dev", "validation": "dev", "eval": "test"}
_NO_SPEAKER = re.compile(
    r"wav(s|e)?(\d+\w*)?|flac\d*|mp3|ogg|opus|audio(s|[-_ ]?files?)?|clips?|data|corpus|speech|"
    r"recordings?|sounds?|(fe)?males?|(wo)?m[ae]n|boys?|girls?|adults?|child(ren)?|"
    r"samples?|utterances?|segments?|(un)?(clean|noisy|lab(el)?l?ed|known)|other|small|medium|large|"
    r"(part|disc|disk|cd|batch|split|fold|chunk|session|subset|set|vol(ume)?)[-_ ]?\d*|"
    r"libri\w*|vctk.*|mls.*|(cv|common_?voice).*|\d{4}-\d{2}(-\d{2})?",
    re.IGNORECASE,
)


class SpeakerFolders(NamedTuple):
    """The speakers of files, as far as they can be told, or why they cannot.

    ``subsets`` has the official subsets (train, dev, test) of a file's folders.
    """

    layout: str
    speakers: dict[Path, str]
    subsets: dict[Path, set[str]]
    # Whether names of files are unique by themselves, as those of corpora are.
    named_by_stem: bool
    warnings: list[str]
    # Why the speaker cannot be told; empty where it can.
    doubt: str = ""


def speakers_by_folders(source: Path, files: Sequence[Path]) -> SpeakerFolders:
    """Tell who speaks in each file from its folders."""
    places = {file: file.relative_to(source) for file in files}
    depths = {file: depth for file, place in places.items() if (depth := _namesake(place)) is not None}
    tops = {place.parts[0] for place in places.values() if len(place.parts) > 1}
    if 2 * len(depths) > len(files):
        return _by_namesakes(places, depths, tops)
    return _by_place(places, tops)


def _by_namesakes(places: Mapping[Path, PurePath], depths: dict[Path, int], tops: set[str]) -> SpeakerFolders:
    speakers = {file: places[file].parts[depth] for file, depth in depths.items()}
    above = {part for file, depth in depths.items() for part in places[file].parts[:depth]}
    unclear = sorted(part for part in above if not _is_container(part) and len(tops) > 1)
    if not above or len(unclear) > len(set(speakers.values())):  # ann/take/take_1.wav, bob/take/take_1.wav
        return _by_place(places, tops)
    if unclear:
        file = next(iter(depths))
        return _doubt(f"{places[file]} may be by {speakers[file]}, and {unclear[0]} may be a speaker too")
    return SpeakerFolders(
        "files named after their speaker's folder (LibriTTS, MLS, VCTK)",
        speakers,
        _subsets({file: places[file].parts[:depth] for file, depth in depths.items()}),
        named_by_stem=True,
        warnings=[],
    )


def _by_place(places: Mapping[Path, PurePath], tops: set[str]) -> SpeakerFolders:
    inside = {file: place.parts[:-1] for file, place in places.items() if len(place.parts) > 1}
    if not inside:
        return _doubt("its files lie in no folders")
    depths = {file: _containers(parts) for file, parts in inside.items()}
    bare = [file for file, parts in inside.items() if depths[file] == len(parts)]
    if bare:
        return _doubt(f"{places[bare[0]]} lies in folders that are hardly a speaker's")
    if len(set(depths.values())) > 1:
        names = sorted(name for name in tops if _is_container(name))
        return _doubt(
            f"the folder {names[0] if names else min(tops)} is hardly a speaker, others beside it may be"
        )
    depth = next(iter(depths.values()))
    deeper = [file for file, parts in inside.items() if len(parts) > depth + 1]
    if deeper and (
        depth or (len(tops) == 1 and len({parts[1] for parts in inside.values() if parts[1:]}) > 1)
    ):
        return _doubt(f"it is unclear which folder of {places[deeper[0]]} is the speaker")
    if depth == 0 and (shared := _shared(inside.values())):
        return _doubt(f"several folders hold one called {shared}, which may be a speaker")
    guess = "the first folder below the source is taken as the speaker; if it is not, give --speaker-from"
    return SpeakerFolders(
        "one folder per speaker",
        {file: parts[depth] for file, parts in inside.items()},
        _subsets({file: parts[:depth] for file, parts in inside.items()}),
        named_by_stem=False,
        warnings=[guess] if deeper else [],
    )


def _shared(folders: Collection[Sequence[str]]) -> str:
    """The name of a folder in several of the first ones, where these hold no files themselves; else empty."""
    if any(len(parts) < 2 for parts in folders):
        return ""
    tops = Counter(second for _, second in {(parts[0], parts[1]) for parts in folders})
    names = [name for name, count in tops.items() if count > 1 and not _is_container(name)]
    return min(names, default="")


def subset_of(folder: str) -> str:
    """The official subset (train, dev, test) that a folder is named after; empty where it is none."""
    match = _SUBSET.fullmatch(folder)
    return _NAMED.get(match[1].lower(), match[1].lower()) if match else ""


def subsets_by_speaker(speakers: dict[Path, str], subsets: dict[Path, set[str]]) -> dict[str, set[str]]:
    """The subsets of each speaker, from those of the files."""
    found: dict[str, set[str]] = {speaker: set() for speaker in speakers.values()}
    for file, speaker in speakers.items():
        found[speaker] |= subsets.get(file, set())
    return found


def speakers_in_several(subsets: dict[str, set[str]]) -> list[str]:
    """A sentence of warning where a speaker is in several official subsets."""
    several = Counter(speaker for speaker, those in subsets.items() if len(those) > 1)
    if not several:
        return []
    first = min(several)
    return [
        f"{len(several)} speaker{'s are' if len(several) > 1 else ' is'} in several subsets, such as {first} "
        f"in {' and '.join(sorted(subsets[first]))}; each goes whole to test rather than dev, and to either "
        "rather than train"
    ]


def _subsets(folders: Mapping[Path, Collection[str]]) -> dict[Path, set[str]]:
    return {file: {name for part in parts if (name := subset_of(part))} for file, parts in folders.items()}


def _namesake(place: PurePath) -> int | None:
    """The place among a file's folders of the first whose name the file's name begins with."""
    stem = place.stem.casefold()
    for depth, part in enumerate(place.parts[:-1]):
        name = part.casefold()
        if stem.startswith((f"{name}_", f"{name}-")) and not _is_container(part):
            return depth
    return None


def _containers(parts: Sequence[str]) -> int:
    """How many of the first folders are no speakers."""
    return next((depth for depth, part in enumerate(parts) if not _is_container(part)), len(parts))


def _is_container(folder: str) -> bool:
    return bool(_SUBSET.fullmatch(folder) or _NO_SPEAKER.fullmatch(folder))


def _doubt(why: str) -> SpeakerFolders:
    return SpeakerFolders("", {}, {}, named_by_stem=False, warnings=[], doubt=why)
