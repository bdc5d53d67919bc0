"""From any sample rate to any other, with a kernel and in memory that are bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch
import torchaudio.functional as audio_functional

# The kernel has about the product of the two rates, reduced, as entries. Common pairs need less than 300,000;
# for others the ratio is rounded, by a ten-thousandth at most.
_LARGEST = 2_000_000
_CHUNK = 1 << 19  # samples that are resampled at once


def reduced_rates(rate: int, wanted: int) -> tuple[int, int]:
    """Two small rates in the ratio of these, exactly or, where that needs too large a kernel, nearly."""
    ratio = Fraction(rate, wanted)
    if ratio.numerator * ratio.denominator > _LARGEST:
        ratio = ratio.limit_denominator(max(1, math.isqrt(int(_LARGEST / ratio))))
    return ratio.numerator, ratio.denominator


def resample(audio: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Audio [samples], float32, at another rate (Hz)."""
    if rate == wanted:
        return audio
    return audio_functional.resample(torch.from_numpy(audio), *reduced_rates(rate, wanted)).numpy()


def resample_blocks(blocks: Iterable[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """The same of audio that comes in blocks, in other blocks; at their borders nothing is heard.

    Each is resampled with as much of its neighbours as the kernel reaches.
    """
    if rate == wanted:
        yield from blocks
        return
    down, up = reduced_rates(rate, wanted)
    margin = 8 // min(down, up) + 1  # periods: the kernel reaches over six samples of the slower rate
    periods = max(1, _CHUNK // down)
    before = 0
    waiting: np.ndarray = np.empty(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= (before + periods + margin) * down:
            chunk = resample(waiting[: (before + periods + margin) * down], down, up)
            yield chunk[before * up : (before + periods) * up]
            waiting = waiting[(before + periods - margin) * down :]
            before = margin
    if len(waiting) > before * down:
        yield resample(waiting, down, up)[before * up :]
