"""An audio file, read in blocks: how long it is, whether it is whole, and how its samples lie.

Whatever its header says, no more than a block is in memory at once, and no more than twelve hours are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import soundfile

from trainables.errors import InputError

LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000  # Hz; of no recording it is lower or higher
LONGEST = 12 * 3600  # seconds of a recording
_ODD_RATES = 200_000  # Hz; from here on rates are multiples of 100 Hz
_BLOCK = 1 << 20  # samples of all channels
_UNKNOWN_FRAMES = 1 << 48  # from here on a header says that it does not know
_SLIP = 64  # bytes: some writers count a header in
_OGG_PAGE, _LARGEST_OGG_PAGE, _OGG_END = b"OggS", 65_307, 4
_STREAMED = 0x7FFF0000  # from here on a chunk's size says that the writer could not go back to correct it


class AudioFile:
    """An opened audio file.

    Attributes:
        rate: sample rate, Hz.
        channels: how many it has.
        frames: samples of each channel by its header; None where that does not say.

    Raises:
        InputError: it cannot be read, says a rate that no recording has, or is shorter than its header says.
            The message gives the reason and leaves it to the caller to name the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened(soundfile.SoundFile) as audio:
            self.rate, self.channels = audio.samplerate, audio.channels
            self.frames = audio.frames if 0 < audio.frames < _UNKNOWN_FRAMES else None
        if not _is_a_rate(self.rate):
            raise InputError(
                f"its header says {self.rate} Hz, a rate that no recording has; "
                f"it must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, and round where it is high"
            )
        if (promised := promised_bytes(path)) is not None and promised[1] < promised[0] - _SLIP:
            raise InputError(
                f"it is truncated: its header promises {promised[0]} bytes of audio, it has {promised[1]}"
            )

    def blocks(self, size: int | None = None) -> Iterator[np.ndarray]:
        """Samples, float32 [samples, channels], in blocks of ``size`` samples or else of a bounded size.

        Raises:
            InputError: they cannot be decoded, are fewer than the header says, or last over twelve hours.
        """
        size, read = size or max(1, _BLOCK // self.channels), 0
        with self._opened(_Stream if self.frames is None else soundfile.SoundFile) as audio:
            while True:
                try:
                    block = audio.read(size, dtype="float32", always_2d=True)
                except soundfile.SoundFileError as error:
                    raise InputError(f"it is damaged or truncated after {read / self.rate:.2f} s") from error
                if not len(block):
                    break
                read += len(block)
                if read > LONGEST * self.rate:
                    raise InputError(f"it is longer than {LONGEST // 3600} hours; cut it into recordings")
                yield block
        if self.frames is not None and read < self.frames:
            raise InputError(
                f"it is truncated: its header promises {self.frames / self.rate:.2f} s, it has "
                f"{read / self.rate:.2f}"
            )

    def _opened(self, kind: type[soundfile.SoundFile]) -> soundfile.SoundFile:
        try:
            return kind(self._path)
        except (soundfile.SoundFileError, OSError) as error:
            if not self._path.exists():
                raise InputError("System error: there is no such file") from None
            if not self._path.stat().st_size:
                raise InputError("it is empty") from None
            reasons = (getattr(error, "error_string", None), getattr(error, "strerror", None), str(error))
            raise InputError(next(filter(None, reasons))) from error


class _Stream(soundfile.SoundFile):
    """A file whose length its header does not say: soundfile must not seek to where a read has ended."""

    def seekable(self) -> bool:
        return False


def _is_a_rate(rate: int) -> bool:
    """Whether a recording can have this rate, Hz: high ones, of ultrasound, are round numbers."""
    return LOWEST_RATE <= rate <= HIGHEST_RATE and (rate <= _ODD_RATES or rate % 100 == 0)


def promised_bytes(path: Path) -> tuple[int, int] | None:
    """The bytes of audio that the header of an uncompressed file promises, and those that are there.

    libsndfile takes what is there for all, so that half a file is a whole one. WAV, RF64, W64, AIFF and AU
    are known here. None where the header does not say: another format, or a stream whose writer did not know.
    """
    with path.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(0)
        head = content.read(40)
        if head[:4] == b".snd":
            begin, length = (int.from_bytes(head[place : place + 4], "big") for place in (4, 8))
            found: tuple[int, int] | None = (begin, length)
        elif head[:4] == b"riff":
            found = _chunk(content, size, b"data", 40, _W64)
        elif head[:4] in (b"RIFF", b"RF64"):
            found = _chunk(content, size, b"data", 12, _RIFF)
        elif head[:4] == b"FORM":
            found = _chunk(content, size, b"SSND", 12, _AIFF)
        else:
            found = None
        if head[:4] == b"RF64" and found and (sizes := _chunk(content, size, b"ds64", 12, _RIFF)):
            content.seek(sizes[0] + 8)
            found = found[0], int.from_bytes(content.read(8), "little")
    known = found and found[1] and (not _STREAMED <= found[1] <= 0xFFFFFFFF)
    return (found[1], size - found[0]) if found and known else None


def lacks_end(path: Path) -> bool:
    """Whether an Ogg file has no mark of its end, as one that was cut off; others have no such mark."""
    with path.open("rb") as content:
        if content.read(4) != _OGG_PAGE:
            return False
        content.seek(max(0, content.seek(0, os.SEEK_END) - _LARGEST_OGG_PAGE))
        tail = content.read()
    flags = tail.rfind(_OGG_PAGE) + 5
    return not (flags < len(tail) and tail[flags] & _OGG_END)


class _Chunks(NamedTuple):
    """How the chunks of a format are written."""

    name: int  # bytes of a name
    number: int  # bytes of a length
    order: Literal["little", "big"]
    own: int  # bytes of name and length, where the length counts these too
    even: int  # bytes to whose multiples chunks are filled up


_RIFF, _AIFF = _Chunks(4, 4, "little", 0, 2), _Chunks(4, 4, "big", 0, 2)
_W64 = _Chunks(16, 8, "little", 24, 8)


def _chunk(content: BinaryIO, size: int, wanted: bytes, begin: int, kind: _Chunks) -> tuple[int, int] | None:
    """Where the content of a chunk begins, and the length that it says it has."""
    head = kind.name + kind.number
    while begin + head <= size:
        content.seek(begin)
        name, number = content.read(kind.name), content.read(kind.number)
        length = max(0, int.from_bytes(number, kind.order) - kind.own)
        if name[:4] == wanted:
            return begin + head, length
        begin += head + length + -length % kind.even
    return None
