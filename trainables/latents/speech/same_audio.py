"""Recordings that hold the same audio, by what they decode to: a name says nothing, nor does a format.

The beginnings of all files are compared first, and whole files only where beginnings are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np

from trainables.errors import InputError
from trainables.latents.speech.audio_file import AudioFile
from trainables.latents.speech.corpus import Recording

_BEGINNING = 4096  # samples
_THREADS = 4  # decoding leaves Python to others


def require_distinct_audio(recordings: Sequence[Recording]) -> list[str]:
    """Refuse the same audio under two speakers or in two splits; return warnings of other doubles.

    Digital silence is equal to other silence and tells nobody anything: it is not compared, and neither are
    files that cannot be read, since they are named when they are encoded. Where all that can be read are
    equal, as in a trial of a layout, that is a warning; one file that is listed for two speakers is refused
    even there.

    Raises:
        InputError: two recordings are the same audio and differ in speaker or split.
    """
    for same_file in _alike(recordings, [_real(recording.path) for recording in recordings]):
        _require_one_speaker(same_file)
    beginnings = _marks(recordings, _beginning)
    readable = len(recordings) - beginnings.count(None)
    groups = [
        same for group in _alike(recordings, beginnings) for same in _alike(group, _marks(group, _whole))
    ]
    if groups and len(groups[0]) == readable:
        return [f"all {readable} recordings hold the same audio; nothing can be learnt from them"]
    for group in groups:
        _require_one_speaker(group)
    doubled = sum(len(group) - 1 for group in groups)
    if not doubled:
        return []
    first, other = groups[0][:2]
    return [
        f"{doubled} recording{'s repeat' if doubled > 1 else ' repeats'} the audio of another by the same "
        f"speaker, such as {other.path} that of {first.path}"
    ]


def _require_one_speaker(group: Sequence[Recording]) -> None:
    first = group[0]
    for other in group[1:]:
        if (first.speaker_id, first.split) != (other.speaker_id, other.split):
            raise InputError(
                f"{first.path} and {other.path} hold the same audio, and are by {first.speaker_id} in "
                f"{first.split} and by {other.speaker_id} in {other.split}; keep one of them"
            )


def _real(path: Path) -> str | None:
    return str(path.resolve()) if path.exists() else None


def _alike(recordings: Sequence[Recording], marks: Iterable[str | None]) -> list[list[Recording]]:
    """The groups of recordings with equal marks; those of one are left out, and so is the mark None."""
    alike: dict[str, list[Recording]] = defaultdict(list)
    for recording, mark in zip(recordings, marks, strict=True):
        if mark is not None:
            alike[mark].append(recording)
    return [group for group in alike.values() if len(group) > 1]


def _marks(recordings: Sequence[Recording], fingerprint: Callable[[Path], str | None]) -> list[str | None]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(fingerprint, [recording.path for recording in recordings]))


def _beginning(path: Path) -> str | None:
    found = _fingerprint(path, lambda file: islice(file.blocks(_BEGINNING), 1))
    return found[0] if found else None


def _whole(path: Path) -> str | None:
    found = _fingerprint(path, AudioFile.blocks)
    return found[0] if found and found[1] else None


def _fingerprint(path: Path, blocks: Callable[[AudioFile], Iterable[np.ndarray]]) -> tuple[str, bool] | None:
    """A hash of rate and samples, and whether these are not silent; None where the file cannot be read.

    Channels that are equal count as one.
    """
    try:
        file, heard = AudioFile(path), False
        digest = blake2b(str(file.rate).encode(), digest_size=16)
        for block in blocks(file):
            first = block[:, :1]
            digest.update((first if (block == first).all() else block).tobytes())
            heard = heard or bool(block.any())
    except Exception:  # whatever a file does to a reader, it is named when it is encoded
        return None
    return digest.hexdigest(), heard
