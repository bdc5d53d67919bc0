"""A codec that a user brings, with all that is asked of one: it goes by the name that it is found by, and its
hash says its code too.
"""

from __future__ import annotations

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of
from trainables.own_parts.registry import PartKind, made_part, reference_of
from trainables.own_parts.source import source_hash

_NEEDED = ("sample_rate", "frame_rate", "dim", "hash", "encode", "decode")


class OwnCodec:
    """A user's codec: made of its weights, else as :class:`trainables.latents.codecs.base.Codec` says.

    Attributes that it may leave out are ``lattice_step`` (None), ``weights`` (those given), ``note`` ("") and
    ``uses_gpu`` (False).

    Raises:
        InputError: no user has named it, it cannot be made, or it lacks what a codec has.
    """

    def __init__(self, name: str, weights: str | None) -> None:
        inner = made_part(PartKind.CODEC, name, weights)
        lacking = [part for part in _NEEDED if not hasattr(inner, part)]
        if lacking:
            raise InputError(
                f"codec {name!r} makes a {type(inner).__name__}, which lacks {', '.join(lacking)}"
            )
        self._inner, self.name = inner, name
        self.sample_rate, self.frame_rate = int(inner.sample_rate), float(inner.frame_rate)
        self.dim = int(inner.dim)
        self.hash = hash_of(f"{inner.hash} {source_hash(reference_of(PartKind.CODEC, name))}")
        self.lattice_step: float | None = getattr(inner, "lattice_step", None)
        self.weights: str | None = getattr(inner, "weights", weights)
        self.note = str(getattr(inner, "note", ""))
        self.uses_gpu = bool(getattr(inner, "uses_gpu", False))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latents of audio; raises as ``Codec.encode``."""
        return self._inner.encode(audio)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio of latents; raises as ``Codec.decode``."""
        return self._inner.decode(latents)
