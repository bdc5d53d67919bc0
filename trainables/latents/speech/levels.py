"""How the samples of a recording lie, and what is done where they do not lie as speech does.

Shapes: N samples, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainables.errors import InputError

_FAR = 4.0  # times full scale: decoders overshoot by less
_LOUD = 1.5  # times full scale, from which on it is said
_INTEGERS = (2**15, 2**23, 2**31)  # scales that float samples are on where somebody forgot to divide
_LEAST_INTEGER = 128  # largest sample at least, for a scale to be told
_CANCELLED = 0.1  # of what channels without relation leave of their power when they are averaged
_OFFSET = 0.02  # times full scale
_AT_THE_LIMIT, _CLIPPED = 0.999, 0.001  # times full scale; share of samples
_SILENT = 0.5  # share of samples


class Mixdown(NamedTuple):
    """From channels to one signal: what is done to every sample, and sentences on what was found."""

    channel: int | None  # that is taken alone; None for the mean
    scale: float
    notes: tuple[str, ...]

    def mono(self, block_NC: np.ndarray) -> np.ndarray:
        """The signal of a block, float32 [N]."""
        mono = block_NC.mean(1) if self.channel is None else block_NC[:, self.channel]
        return mono if self.scale == 1 else mono * np.float32(self.scale)


class Levels:
    """Gathers figures of a recording's samples, block after block."""

    def __init__(self, channels: int) -> None:
        self.samples = 0
        self._low, self._high = np.inf, -np.inf
        self._sum_C, self._squares_C = np.zeros(channels), np.zeros(channels)
        self._mean_squares = 0.0
        self._limited = self._nonzero = 0
        self._integers = True

    def add(self, block_NC: np.ndarray) -> None:
        """Count a block in.

        Raises:
            InputError: a sample is not finite.
        """
        low, high = float(block_NC.min()), float(block_NC.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("it holds samples that are not numbers")
        self.samples += len(block_NC)
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._sum_C += block_NC.sum(0, dtype=np.float64)
        self._nonzero += np.count_nonzero(block_NC)
        if max(high, -low) >= _AT_THE_LIMIT:
            self._limited += int((np.abs(block_NC) >= _AT_THE_LIMIT).sum())
        if max(high, -low) > _FAR:
            self._integers &= bool((block_NC == np.rint(block_NC)).all())
        if block_NC.shape[1] > 1:
            self._squares_C += np.square(block_NC, dtype=np.float64).sum(0)
            self._mean_squares += float(np.square(block_NC.mean(1), dtype=np.float64).sum())

    def mixdown(self) -> Mixdown:
        """What is to be done to the recording.

        Raises:
            InputError: it is empty or digital silence, or on a scale that cannot be told.
        """
        if not self.samples:
            raise InputError("it holds no audio")
        if self._low == self._high:
            raise InputError(f"it is digital silence (every sample is {self._low:g})")
        channel, notes = self._channel()
        scale, scaled = self._scale()
        return Mixdown(channel, scale, (*notes, *scaled, *self._unchanged(scale)))

    def _channel(self) -> tuple[int | None, list[str]]:
        channels = len(self._sum_C)
        if channels == 1:
            return None, []
        expected = self._squares_C.mean() / channels
        if self._mean_squares >= _CANCELLED * expected:
            return None, []
        best = 0 if self._squares_C[0] > 0 else int(self._squares_C.argmax())
        return best, [f"its {channels} channels cancel each other; channel {best + 1} alone was encoded"]

    def _scale(self) -> tuple[float, list[str]]:
        peak = max(self._high, -self._low)
        if peak <= _FAR:
            return 1.0, []
        full = next((full for full in _INTEGERS if peak <= full), None)
        if full is None or not self._integers or peak <= _LEAST_INTEGER:
            raise InputError(f"its samples reach {peak:.4g} times full scale, and on no scale of integers")
        bits = full.bit_length()
        return 1 / full, [f"its samples are {bits}-bit integers as floats; they were divided by {full}"]

    def _unchanged(self, scale: float) -> list[str]:
        """What is said only, as the samples stay as they are."""
        notes, count = [], self.samples * len(self._sum_C)
        offset = float(self._sum_C.mean() / self.samples * scale)
        if abs(offset) > _OFFSET:  # LibriSpeech has such recordings, and codecs were made for it
            notes.append(f"it has an offset of {offset:.3g} times full scale; it was encoded as it is")
        if scale == 1 and self._limited > _CLIPPED * count:
            notes.append(f"{self._limited / count:.1%} of its samples are clipped; it was encoded as it is")
        if scale == 1 and (peak := max(self._high, -self._low)) > _LOUD:
            notes.append(f"its samples reach {peak:.2g} times full scale; it was encoded as it is")
        if (silent := 1 - self._nonzero / count) > _SILENT:
            notes.append(f"{silent:.0%} of it is digital silence; it was encoded as it is")
        return notes
