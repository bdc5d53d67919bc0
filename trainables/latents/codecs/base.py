"""What a codec is: a frozen map from audio to latents and back."""

from __future__ import annotations

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
        """Audio [samples] float32 in -1..1 to latents [ceil(samples / hop), dim] float32."""

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents [frames, dim] to audio [frames * hop] float32."""


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
    """Audio padded with silence to a whole number of frames."""
    return np.pad(np.asarray(audio, np.float32), (0, -len(audio) % hop))
