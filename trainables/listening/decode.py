"""From latents to audio that one can listen to.

Shapes: C context frames, K continuation frames, D dimensions.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from trainables.latents.codecs.base import Codec


def decode_continuation(
    codec: Codec, context_CD: np.ndarray, continuation_KD: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Audio [samples] of context and continuation, decoded in one pass, and the continuation's part of it.

    A codec's decoder has state, and on the continuation alone it would spend the first frames warming up: the
    continuation is cut out of the whole by counting frames.

    Args:
        codec: that decodes.
        context_CD: in the codec's units.
        continuation_KD: in the codec's units.
    """
    audio = codec.decode(np.concatenate([context_CD, continuation_KD]).astype(np.float32))
    start = round(len(context_CD) * codec.sample_rate / codec.frame_rate)
    return audio, audio[start:]


def wav_seconds(wav: bytes) -> float:
    """The length of a WAV file, seconds."""
    return float(soundfile.info(io.BytesIO(wav)).duration)


def wav_bytes(audio: np.ndarray, sample_rate: int) -> bytes:
    """A WAV file, 16-bit mono, of audio [samples] from -1 to 1; samples beyond are clipped."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(audio, -1.0, 1.0), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
