"""Acoustic tracks of audio files, in files beside the latents: made once, for all representations.

They are keyed by the bytes of the audio file, at steps of their own, and become tracks of frames at whatever
rate a representation has. Shapes: G steps of 10 ms, P steps of 16 ms, T frames.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from trainables.errors import InputError, reason_of
from trainables.latents.speech import acoustics
from trainables.latents.speech.recorded_audio import RecordedAudio

TRACKS_FOLDER = "acoustic-tracks"  # beside the folders of latents
_PIECE = 300 * acoustics.PITCH_RATE  # samples that are measured at once; whole steps of both kinds
_FILE = 64  # recordings of a file


class AudioTracks(NamedTuple):
    """What is heard in an audio file, whatever the codec."""

    level_G: np.ndarray  # dB re full scale, of each 10 ms
    pitch_P: np.ndarray  # Hz, every 16 ms; 0 where unvoiced
    flux_G: np.ndarray  # from 0 to 2, every 10 ms: change of the spectrum in the 20 ms before

    def of_frames(self, frames: int, frame_rate: float) -> dict[str, np.ndarray]:
        """Tracks of frames, [T] each, as :data:`~trainables.latents.storage.row_columns.ACOUSTIC_COLUMNS`."""
        return {
            "energy": acoustics.frame_levels(self.level_G, frames, frame_rate),
            "f0": acoustics.f0(self.pitch_P, frames, frame_rate),
            "spectral_flux": acoustics.frame_flux(self.flux_G, frames, frame_rate),
        }


def audio_key(path: Path) -> str:
    """The name of an audio file's contents, 32 hex digits."""
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()[:32]


def measure(path: Path) -> AudioTracks:
    """Measure the tracks of an audio file.

    Raises:
        InputError: it cannot be read, or a track is not finite.
    """
    pieces = RecordedAudio(path, acoustics.PITCH_RATE).pieces(_PIECE)
    measured = [
        (acoustics.levels(piece), acoustics.pitch_track(piece, acoustics.PITCH_RATE), acoustics.flux(piece))
        for piece in pieces
    ]
    tracks = AudioTracks(*(np.concatenate(parts).astype(np.float32) for parts in zip(*measured, strict=True)))
    if not all(np.isfinite(track).all() for track in tracks):
        raise InputError("its acoustic tracks are not finite")
    return tracks


class TrackStore:
    """A folder of files of tracks; whoever adds to it adds a file, so that several can at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, keys: Collection[str]) -> dict[str, AudioTracks]:
        """The tracks that are there, of the keys given; a file that cannot be read counts as not there."""
        wanted = set(keys)
        found: dict[str, AudioTracks] = {}
        for file in sorted(self.folder.glob("*.arrow")):
            try:
                found.update(_rows(file, wanted))
            except (OSError, pa.ArrowInvalid, KeyError):
                continue
        return found

    def measured(self, paths: Sequence[Path]) -> Iterator[tuple[Path, AudioTracks | str]]:
        """The tracks of audio files, or the reason why a file has none; what is not there yet is added.

        They come in the order of the files, a file of the store at a time, so that memory is bounded.
        """
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for start in range(0, len(paths), _FILE):
                part = paths[start : start + _FILE]
                keys = dict(zip(part, pool.map(_key_or_none, part), strict=True))
                known = self.read([key for key in keys.values() if key])
                missing = [path for path, key in keys.items() if key not in known]
                new = dict(zip(missing, pool.map(_measured_or_reason, missing), strict=True))
                self._add({str(keys[path]): t for path, t in new.items() if isinstance(t, AudioTracks)})
                for path in part:
                    yield path, new[path] if path in new else known[str(keys[path])]

    def _add(self, tracks: Mapping[str, AudioTracks]) -> None:
        if not tracks:
            return
        table = pa.table(
            {"key": list(tracks)}
            | {
                name: pa.array([getattr(row, name) for row in tracks.values()], pa.list_(pa.float32()))
                for name in AudioTracks._fields
            }
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        temporary = self.folder / f".{name}.tmp"
        try:
            with pa.ipc.new_file(temporary, table.schema) as file:
                file.write_table(table)
            temporary.replace(self.folder / f"{name}.arrow")
        finally:
            temporary.unlink(missing_ok=True)


def _rows(file: Path, wanted: set[str]) -> Iterator[tuple[str, AudioTracks]]:
    with pa.memory_map(str(file)) as mapped:
        table = pa.ipc.open_file(mapped).read_all()
        for row, key in enumerate(table["key"].to_pylist()):
            if key in wanted:
                columns = (table[name][row].values.to_numpy() for name in AudioTracks._fields)
                yield key, AudioTracks(*(np.array(column) for column in columns))


def _key_or_none(path: Path) -> str | None:
    try:
        return audio_key(path)
    except OSError:
        return None


def _measured_or_reason(path: Path) -> AudioTracks | str:
    try:
        return measure(path)
    except Exception as error:  # whatever one file does to the tracker, the others are measured
        return reason_of(error)
