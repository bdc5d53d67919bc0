"""From latents to something to listen to. Shapes: C context and K continuation frames, D dimensions."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from trainables.latents.codecs.base import Codec


def decode_continuation(
    codec: Codec, context_CD: np.ndarray, continuation_KD: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decode context and continuation in one pass: the whole audio, and the continuation's part of it.

    Latents are in the codec's own units. A codec's decoder has state, and started on the continuation alone
    it would spend its first frames warming up; so the continuation is cut out of the whole by counting
    frames.
    """
    audio = codec.decode(np.concatenate([context_CD, continuation_KD]).astype(np.float32))
    start = round(len(context_CD) * codec.sample_rate / codec.frame_rate)
    return audio, audio[start:]


def wav_bytes(audio: np.ndarray, sample_rate: int) -> bytes:
    """A WAV file, 16-bit mono, of audio [samples] in [-1, 1]; what lies outside is clipped."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(audio, -1.0, 1.0), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
