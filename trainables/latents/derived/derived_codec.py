"""A derived representation as a codec: what its base's codec does, through the transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.latents.codecs.base import Codec, noise_of, sound_latents
from trainables.latents.derived.transform import Transform


class DerivedCodec:
    """A codec that encodes to derived latents, and decodes them by way of its base's codec.

    Its hash is the transform's, which covers the base's codec and everything that was fitted.
    """

    lattice_step: float | None = None

    def __init__(self, base: Codec, transform: Transform, folder: Path) -> None:
        self._base, self._transform = base, transform
        self.name, self.dim, self.hash = transform.name, transform.dim, transform.hash
        self.sample_rate, self.uses_gpu = base.sample_rate, base.uses_gpu
        self.frame_rate = base.frame_rate / transform.rate
        self.weights: str | None = str(folder.resolve())
        self.note = transform.note

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] to derived latents [frames, K] float32; raises as ``Codec.encode``.

        Base frames that lie on a lattice are dithered first, by noise drawn from the audio itself: derived
        latents have no lattice step, so it cannot be done later. The last base frame is repeated until a
        derived frame is full.
        """
        frames_TD = self._base.encode(audio)
        step = self._transform.base.lattice_step
        if step is not None:
            frames_TD = frames_TD + noise_of(audio).uniform(-step / 2, step / 2, frames_TD.shape)
        missing = -len(frames_TD) % self._transform.rate
        whole_TD = np.pad(frames_TD, ((0, missing), (0, 0)), mode="edge")
        return self._transform.forward(whole_TD).astype(np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Derived latents [frames, K] to audio [samples]; raises as ``Codec.decode``."""
        frames_TK = sound_latents(latents, self.dim)
        return self._base.decode(self._transform.to_base(frames_TK).astype(np.float32))
