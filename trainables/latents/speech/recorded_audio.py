"""A recording as codecs take it: one signal at their sample rate, whole, or in pieces where it is long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from trainables.latents.speech.audio_file import AudioFile, lacks_end
from trainables.latents.speech.levels import Levels, Mixdown
from trainables.latents.speech.resampling import resample, resample_blocks

_WHOLE_SECONDS, _WHOLE_SAMPLES = 300, 1 << 24  # up to which a recording is held in memory


class RecordedAudio:
    """An audio file that has been read once, to hear how its samples lie.

    Attributes:
        seconds: its length.
        notes: sentences on what was found, and what is done about it.

    Raises:
        InputError: it cannot be read or is not whole, or its samples are no speech: not finite, silent, far
            out of scale. The message gives the reason and leaves it to the caller to name the file.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._file, self._rate = AudioFile(path), sample_rate
        levels, kept = Levels(self._file.channels), []
        for block in self._file.blocks():
            levels.add(block)
            if self._fits(levels.samples):
                kept.append(block)
            else:
                kept.clear()
        self._mixdown = levels.mixdown()
        self.seconds, self.notes = levels.samples / self._file.rate, _notes(path, self._mixdown)
        self._whole: np.ndarray | None = None
        if self._fits(levels.samples):
            mono = self._mixdown.mono(kept[0] if len(kept) == 1 else np.concatenate(kept))
            self._whole = resample(mono, self._file.rate, sample_rate)

    def pieces(self, length: int | None = None) -> Iterator[np.ndarray]:
        """The signal, float32, as one piece [samples], or in pieces of ``length`` where it is long.

        The last piece may be longer by less than a second: a codec needs something to hear.
        """
        if self._whole is not None:
            yield self._whole
            return
        mono = (self._mixdown.mono(block) for block in self._file.blocks())
        resampled = resample_blocks(mono, self._file.rate, self._rate)
        yield from resampled if length is None else _cut(resampled, length, self._rate)

    def _fits(self, samples: int) -> bool:
        return samples <= _WHOLE_SECONDS * self._file.rate and samples * self._file.channels <= _WHOLE_SAMPLES


def examine(path: Path) -> tuple[float, tuple[str, ...]]:
    """The seconds of a file, and what :class:`RecordedAudio` would note of it; memory holds a block of it.

    Raises:
        InputError: as :class:`RecordedAudio` does.
    """
    file = AudioFile(path)
    levels = Levels(file.channels)
    for block in file.blocks():
        levels.add(block)
    return levels.samples / file.rate, _notes(path, levels.mixdown())


def _notes(path: Path, mixdown: Mixdown) -> tuple[str, ...]:
    cut = ["it may be cut off, as the mark of its end is missing; it was encoded as it is"]
    return (*mixdown.notes, *(cut if lacks_end(path) else []))


def _cut(blocks: Iterable[np.ndarray], length: int, least: int) -> Iterator[np.ndarray]:
    waiting: list[np.ndarray] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += len(block)
        while held >= length + least:
            joined = np.concatenate(waiting)
            yield joined[:length]
            waiting, held = [joined[length:]], held - length
    if held:
        yield np.concatenate(waiting)
