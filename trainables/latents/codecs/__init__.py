"""The codecs that turn audio into latents and back, by name."""

from __future__ import annotations

import difflib
from importlib import import_module

from trainables.errors import InputError
from trainables.latents.codecs.base import Codec

__all__ = ["CODECS", "Codec", "load_codec"]

_CLASSES = {  # imported on demand: each file brings its own heavy dependency
    "soundstream": "soundstream.SoundStream",
    "logmel": "logmel.LogMel",
    "mimi-12.5": "mimi.Mimi",
}
CODECS = tuple(_CLASSES)


def load_codec(name: str, weights: str | None) -> Codec:
    """The codec called ``name``, its weights found and checked.

    Args:
        name: one of ``CODECS``.
        weights: a file or folder, a hub id where the codec has one, or None where it needs none.

    Raises:
        InputError: unknown name, or weights that are missing or unreadable, and how to get them.
    """
    if name not in _CLASSES:
        nearest = difflib.get_close_matches(name, CODECS, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise InputError(f"representation {name!r} is unknown{hint} (known: {', '.join(CODECS)})")
    module, cls = _CLASSES[name].split(".")
    codec: Codec = getattr(import_module(f"{__name__}.{module}"), cls)(weights)
    return codec
