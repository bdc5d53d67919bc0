"""Codecs by name, derived ones included.

A name is one of ``CODECS``, or one of ``QUANTISED`` followed by -qN: then the first N codebooks of the
quantiser turn the latents into vectors of the same dimension out of a finite set. The name of a derived
representation, "pca32(mimi-12.5)", is that of a codec too: its weights are the folder of the derived latents.
That of the control world that can be heard, "control:directional", stands for what decodes its frames.
"""

from __future__ import annotations

import difflib
import re
from importlib import import_module
from pathlib import Path

from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.codecs.own_codec import OwnCodec
from trainables.latents.storage.parquet_file import PREFIX
from trainables.own_parts.registry import PartKind, is_own_part

_CLASSES = {  # each imported where it is asked for, because it loads a heavy library
    "soundstream": "soundstream.SoundStream",
    "logmel": "logmel.LogMel",
    "world": "world.WorldVocoder",
    "mimi-12.5": "mimi.Mimi",
    "mimi-25": "mimi.Mimi25",
    "mimi-50": "mimi.Mimi50",
    "encodec": "encodec.EnCodec",
    "dac": "dac.Dac",
}
CODECS = tuple(_CLASSES)
QUANTISED = ("soundstream", "mimi-12.5", "encodec", "dac")
NAMES = f"{', '.join(CODECS)}; and with -qN, behind N codebooks of the quantiser: {', '.join(QUANTISED)}"


def load_codec(name: str, weights: str | None) -> Codec:
    """The codec called ``name``, with weights that have been found and checked.

    Args:
        name: one of ``CODECS``, one of ``QUANTISED`` and a number of codebooks, "mimi-12.5-q8", the name of a
            derived representation, that of a control world that can be heard, or a codec of the user's own,
            by an entry point or as ``module:attribute``.
        weights: a file or folder, a hub id where the codec has one, or None where it needs none; for a
            derived representation the folder of the derived latents.

    Raises:
        InputError: an unknown name, a number of codebooks that the quantiser does not have, or weights that
            are missing or unreadable; the message says how to get them.
    """
    if name.endswith(")"):
        return _derived(name, weights)
    if name.startswith(PREFIX):
        return _of_world(name, weights)
    if name not in _CLASSES and is_own_part(PartKind.CODEC, name):
        return OwnCodec(name, weights)
    quantised = re.fullmatch(r"(.+)-q(\d+)", name)
    base, settings = (quantised[1], (int(quantised[2]),)) if quantised else (name, ())
    if base not in _CLASSES:
        nearest = difflib.get_close_matches(base, CODECS, n=1)
        hint = f"; did you mean {name.replace(base, nearest[0])}?" if nearest else ""
        raise InputError(f"representation {name!r} is unknown{hint} (known: {NAMES})")
    if settings and base not in QUANTISED:
        raise InputError(
            f"representation {name!r} is unknown: {base} has no quantiser (known: {', '.join(QUANTISED)})"
        )
    module, cls = _CLASSES[base].split(".")
    codec: Codec = getattr(import_module(f"trainables.latents.codecs.{module}"), cls)(weights, *settings)
    return codec


def _of_world(name: str, weights: str | None) -> Codec:
    from trainables.latents.worlds.tones import Tones

    if name != Tones.name:
        raise InputError(f"nothing decodes {name!r} to sound; of control worlds, {Tones.name} can be heard")
    return Tones(weights)


def _derived(name: str, weights: str | None) -> Codec:
    if weights is None:
        raise InputError(
            f"representation {name!r} is derived: it needs --weights FOLDER, where its latents are"
        )
    codec = load_derived(Path(weights))
    if codec.name != name:
        raise InputError(f"--weights {weights} holds {codec.name}, not {name}")
    return codec


def load_derived(folder: Path) -> Codec:
    """The codec of the derived latents in ``folder``, over the codec that encoded their base.

    Raises:
        InputError: the folder is gone or holds no transform, the base is a control world, or its weights are
            not what they were.
    """
    # Like every other codec imported where it is asked for: it loads torch.
    from trainables.latents.derived.derived_codec import DerivedCodec
    from trainables.latents.derived.transform import Transform

    if not folder.is_dir():
        raise InputError(
            f"{folder}, which holds the transform of the derived latents, does not exist; put it back, or "
            "derive the latents again"
        )
    transform = Transform.load(folder)
    base = transform.base
    if base.codec is None:
        raise InputError(f"{folder} is derived from {base.representation}, which no codec decodes")
    codec = load_codec(base.codec, base.weights)
    if codec.hash != base.codec_hash:
        raise InputError(
            f"{base.weights} holds other weights than those that {folder} was derived with; derive it again"
        )
    return DerivedCodec(codec, transform, folder)
