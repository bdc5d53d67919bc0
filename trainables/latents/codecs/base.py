"""What a codec is, a frozen map from audio to latents and back, and what several codecs need."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from trainables.errors import InputError


class Codec(Protocol):
    """A frozen codec: the same audio always gives the same latents, whatever was encoded before.

    Attributes:
        name: of the representation, as ``load_codec`` takes it.
        sample_rate: of the audio that it encodes and that it decodes to, Hz.
        frame_rate: of the latents, Hz.
        dim: latent dimensions, D.
        hash: of weights and settings; two codecs with one hash give the same latents.
        lattice_step: of the lattice that the latents lie on; None where they lie on none.
        weights: where they were loaded from, as ``load_codec`` takes it; None where there are none.
        note: what a reader of results must know, "random weights".
        uses_gpu: whether a GPU makes it faster.
    """

    name: str
    sample_rate: int
    frame_rate: float
    dim: int
    hash: str
    lattice_step: float | None
    weights: str | None
    note: str
    uses_gpu: bool

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latents, float32 [ceil(samples / hop), dim], of audio, float32 [samples] in -1..1.

        Raises:
            InputError: the audio is empty or not mono, or a sample is not finite.
        """

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio, float32 [frames * hop], of latents [frames, dim].

        Raises:
            InputError: there is no frame, a frame has another width, or a value is not finite.
        """


def hash_of(settings: str, files: Iterable[Path] = ()) -> str:
    """A hash of a codec's settings and of the bytes of its weight files, 16 hex digits.

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
    """Audio [samples] as float32, padded with silence to a whole number of frames of ``hop`` samples.

    Raises:
        InputError: it is empty or not mono, or a sample is not finite.
    """
    samples = np.asarray(audio, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise InputError(f"audio of shape {samples.shape} cannot be encoded; it must be mono: [samples]")
    if not np.isfinite(samples).all():
        raise InputError("audio that holds NaN or infinity cannot be encoded; leave the recording out")
    return np.pad(samples, (0, -len(samples) % hop))


def sound_latents(latents: np.ndarray, dim: int) -> np.ndarray:
    """Latents as float32 [frames, dim], once it is clear that they can be decoded.

    Raises:
        InputError: there is no frame, a frame has another width than ``dim``, or a value is not finite.
    """
    frames = np.asarray(latents, np.float32)
    if frames.ndim != 2 or frames.shape[1] != dim or not len(frames):
        raise InputError(f"latents of shape {frames.shape} cannot be decoded; they must be [frames, {dim}]")
    if not np.isfinite(frames).all():
        raise InputError("latents that hold NaN or infinity cannot be decoded; leave the continuation out")
    return frames


def require_codebooks(name: str, wanted: int | None, available: int) -> None:
    """Refuse a number of codebooks that a quantiser does not have.

    Args:
        name: of the representation, for the message.
        wanted: number of codebooks; None asks for no quantiser.
        available: number of codebooks of the quantiser.

    Raises:
        InputError: the number is not from 1 to ``available``.
    """
    if wanted is not None and not 1 <= wanted <= available:
        raise InputError(f"{name}: its quantiser has 1 to {available} codebooks, not {wanted}")


def noise_of(audio: np.ndarray) -> np.random.Generator:
    """A source of noise that is the same for the same audio."""
    return np.random.default_rng(zlib.crc32(audio.tobytes()))


def dithered(audio: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """Audio [samples] with noise of half a least significant bit of 16: digital silence is not constant."""
    return audio + noise.uniform(-0.5, 0.5, len(audio)).astype(np.float32) / 32768
