"""From an audio file to an utterance: read, resample, encode."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.speech.corpus import Recording
from trainables.latents.speech.recorded_audio import RecordedAudio
from trainables.latents.storage.parquet_file import Utterance, storable_latents

_PIECE_SECONDS = 300  # what a codec encodes at once


def read_audio(path: Path, sample_rate: int) -> np.ndarray:
    """An audio file as mono float32 [samples] at ``sample_rate`` Hz; channels are averaged.

    Raises:
        InputError: the file cannot be read, is empty, or a sample is not finite; the message gives the reason
            and leaves it to the caller to name the file.
    """
    pieces = list(RecordedAudio(path, sample_rate).pieces())
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def encode_recording(codec: Codec, recording: Recording, audio: RecordedAudio) -> Utterance:
    """The utterance of a recording: its latents; energy, pitch and spectral flux are left unknown (NaN).

    Args:
        codec: that encodes it; of a long recording some minutes at once, so that memory is bounded.
        recording: whose ids and split the utterance gets.
        audio: what its file holds, at the codec's sample rate.

    Raises:
        InputError: it is shorter than the two frames that a step needs.
        ValueError: the latents are not finite, or too large to store.
    """
    hop = round(codec.sample_rate / codec.frame_rate)
    encoded = [codec.encode(piece) for piece in audio.pieces(round(_PIECE_SECONDS * codec.frame_rate) * hop)]
    latents = encoded[0] if len(encoded) == 1 else np.concatenate(encoded)
    if len(latents) < 2:
        raise InputError(f"it is shorter than two frames ({2 / codec.frame_rate:g} s)")
    unknown = np.full(len(latents), np.nan, np.float32)
    utterance = Utterance(
        recording.utterance_id, recording.speaker_id, recording.split, latents, unknown, unknown, unknown
    )
    storable_latents(utterance, codec.dim)
    return utterance
