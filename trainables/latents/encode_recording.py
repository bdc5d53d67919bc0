"""From an audio file to an utterance: read, resample, encode, and measure the acoustics of each frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio.functional as audio_functional

from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.speech import acoustics
from trainables.latents.speech.corpus import Recording
from trainables.latents.storage.parquet_file import Utterance, storable_latents


def read_audio(path: Path, sample_rate: int) -> np.ndarray:
    """An audio file as mono float32 [samples] at ``sample_rate`` Hz; channels are averaged.

    Raises:
        InputError: the file cannot be read, is empty, or a sample is not finite; the message gives the reason
            and leaves it to the caller to name the file.
    """
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        reasons = (getattr(error, "error_string", None), getattr(error, "strerror", None), str(error))
        raise InputError(next(filter(None, reasons))) from error
    if not len(audio):
        raise InputError("it holds no audio")
    if not np.isfinite(audio).all():
        raise InputError("it holds samples that are not numbers")
    mono = torch.from_numpy(audio.mean(1))
    return audio_functional.resample(mono, rate, sample_rate).numpy() if rate != sample_rate else mono.numpy()


def encode_recording(codec: Codec, recording: Recording, audio: np.ndarray, pitch_P: np.ndarray) -> Utterance:
    """The utterance of a recording: its latents, and its energy, pitch and spectral flux in each frame.

    Args:
        codec: that encodes it.
        recording: whose ids and split the utterance gets.
        audio: mono [samples] at the codec's sample rate.
        pitch_P: its pitch every 16 ms, Hz, the same for all codecs; see
            :func:`~trainables.latents.speech.acoustics.pitch_track`.

    Raises:
        InputError: it is shorter than the two frames that a step needs.
        ValueError: the latents are not finite, or too large to store.
    """
    latents = codec.encode(audio)
    frames, hop = len(latents), round(codec.sample_rate / codec.frame_rate)
    if frames < 2:
        raise InputError(f"it is shorter than two frames ({2 / codec.frame_rate:g} s)")
    utterance = Utterance(
        recording.utterance_id,
        recording.speaker_id,
        recording.split,
        latents,
        energy=acoustics.energy(audio, frames, hop),
        f0=acoustics.f0(pitch_P, frames, codec.frame_rate),
        spectral_flux=acoustics.spectral_flux(audio, codec.sample_rate, frames, hop),
    )
    storable_latents(utterance, codec.dim)
    return utterance
