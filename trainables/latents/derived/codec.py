"""A derived representation as a codec: what its base's codec does, through the transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs import Codec, load_codec
from trainables.latents.derived.transform import Transform


class DerivedCodec:
    """Encodes to derived latents, and decodes them by way of the base."""

    lattice_step = None

    def __init__(self, base: Codec, transform: Transform, folder: Path) -> None:
        self._base, self._transform = base, transform
        self.name, self.dim, self.hash = transform.name, transform.dim, transform.hash
        self.sample_rate, self.uses_gpu = base.sample_rate, base.uses_gpu
        self.frame_rate = base.frame_rate / transform.rate
        self.weights = str(folder)
        self.note = transform.meta().note

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] to derived latents [frames, K] float32; a tail that fills no frame is left out."""
        return self._transform.forward(self._base.encode(audio)).astype(np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Derived latents [frames, K] to audio."""
        return self._base.decode(self._transform.to_base(latents).astype(np.float32))


def load_derived(folder: Path) -> Codec:
    """The codec of the derived latents in ``folder``, with the weights that the base was encoded with.

    Raises:
        InputError: there is no transform, the base is a control world, or its weights are not what they were.
    """
    transform = Transform.load(folder)
    base = transform.base
    if base.codec is None:
        raise InputError(f"{folder} is derived from {base.representation}, which nothing decodes")
    codec = load_codec(base.codec, base.weights)
    if codec.hash != base.codec_hash:
        raise InputError(f"{base.weights} are other weights than {folder} was derived with; derive it again")
    return DerivedCodec(codec, transform, Path(folder))
