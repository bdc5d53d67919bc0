"""What a codec is: a frozen map from audio to latents and back, and the little that every one needs."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from trainables.errors import InputError


class Codec(Protocol):
    """A frozen codec. The same audio always gives the same latents, whatever was encoded before."""

    name: str
    sample_rate: int  # Hz, of the audio it takes and gives
    frame_rate: float  # Hz, of the latents
    dim: int
    hash: str  # of weights and settings: two codecs of one hash give the same latents
    lattice_step: float | None  # of the lattice that the latents lie on, where they do
    weights: str | None  # where they were loaded from, as load_codec takes it
    note: str  # what a reader of results must know, "random weights"
    uses_gpu: bool  # whether a GPU makes it faster

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] float32 in -1..1 to latents [ceil(samples / hop), dim] float32.

        Raises:
            InputError: the audio is empty, not mono, or holds what is no number.
        """

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents [frames, dim] to audio [frames * hop] float32.

        Raises:
            InputError: there is no frame, a frame has another width, or holds what is no number.
        """


def hash_of(settings: str, files: Iterable[Path] = ()) -> str:
    """A short hash of a codec's settings and the bytes of its weight files.

    Raises:
        InputError: a file cannot be read.
    """
    digest = sha256(settings.encode())
    for file in files:
        try:
            digest.update(file.read_bytes())
        except OSError as error:
            raise InputError(f"weights file {file} cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()[:16]


def whole_frames(audio: np.ndarray, hop: int) -> np.ndarray:
    """Audio as float32, padded with silence to a whole number of frames.

    Raises:
        InputError: it is empty, not mono, or holds what is no number.
    """
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise InputError(f"audio of shape {samples.shape} cannot be encoded; it must be mono: [samples]")
    if not np.isfinite(samples).all():
        raise InputError("audio that holds NaN or infinity cannot be encoded; leave the recording out")
    return np.pad(samples, (0, -len(samples) % hop))


def sound_latents(latents: np.ndarray, dim: int) -> np.ndarray:
    """Latents as float32, once it is clear that they can be decoded.

    Raises:
        InputError: there is no frame, a frame has another width than ``dim``, or holds what is no number.
    """
    frames = np.asarray(latents, np.float32)
    if frames.ndim != 2 or frames.shape[1] != dim or not len(frames):
        raise InputError(f"latents of shape {frames.shape} cannot be decoded; they must be [frames, {dim}]")
    if not np.isfinite(frames).all():
        raise InputError("latents that hold NaN or infinity cannot be decoded; leave the continuation out")
    return frames


def require_codebooks(name: str, wanted: int | None, available: int) -> None:
    """Refuse a number of codebooks that a quantiser does not have; None asks for no quantiser.

    Raises:
        InputError: with the numbers that it does have.
    """
    if wanted is not None and not 1 <= wanted <= available:
        raise InputError(f"{name}: its quantiser has 1 to {available} codebooks, not {wanted}")


def noise_of(audio: np.ndarray) -> np.random.Generator:
    """A source of noise that is the same whenever the audio is."""
    return np.random.default_rng(zlib.crc32(audio.tobytes()))


def dithered(audio: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """Audio with half a least significant bit of 16-bit noise: digital silence is no longer frozen."""
    return audio + noise.uniform(-0.5, 0.5, len(audio)).astype(np.float32) / 32768
