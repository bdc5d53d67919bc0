"""Whether two sounds are of one voice, as a network that tells speakers apart hears them."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.latents.speech.resampling import resample

if TYPE_CHECKING:
    import setuptools  # noqa: F401  # webrtcvad, of resemblyzer, asks pkg_resources for its version

_RATE, _LEVEL = 16000, -30.0  # Hz; dB of full scale, to which the network's own sounds were raised


def speaker_similarity(reference: np.ndarray, sound: np.ndarray, sample_rate: int) -> float:
    """The cosine, 0 to 1, of what Resemblyzer hears of the voice in two sounds [samples]; needs its package.

    Of a second of speech it knows little: what another speaker and noise reach says how little.

    L. Wan, Q. Wang, A. Papir, I. Lopez Moreno, "Generalized end-to-end loss for speaker verification", 2018.
    """
    one, other = (_voice(audio.astype(np.float32).tobytes(), sample_rate) for audio in (reference, sound))
    return float(one @ other)


@lru_cache(maxsize=64)
def _voice(samples: bytes, sample_rate: int) -> np.ndarray:
    """The unit vector of a voice, once for each sound: a true one is compared with many."""
    resemblyzer = _package()
    audio = resample(np.frombuffer(samples, np.float32).copy(), sample_rate, _RATE)
    if not audio.any():
        audio[0] = 1e-6  # silence has no level to raise
    level = resemblyzer.normalize_volume(audio, _LEVEL, increase_only=True)
    return _encoder().embed_utterance(level)


@lru_cache(maxsize=1)
def _encoder() -> Any:
    return _package().VoiceEncoder("cpu", verbose=False)


def _package() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its own imports are told about their age
        import resemblyzer

        return resemblyzer
