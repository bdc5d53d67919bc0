"""The representations that `python -m orchestrator.represent` makes of a corpus. To add one, add a line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from trainables.errors import InputError
from trainables.latents.codec_registry import CODECS
from trainables.latents.derived.expression import derived_name, parse


@dataclass(frozen=True)
class Representation:
    """A representation of speech: the latents of a codec, or latents derived from them."""

    codec: str
    expression: str | None = None  # as `python -m orchestrator.derive --as` takes it

    @property
    def name(self) -> str:
        """The name of the representation: "pca32(stack4(soundstream))"."""
        return derived_name(parse(self.expression), self.codec) if self.expression else self.codec

    @property
    def folder(self) -> str:
        """The name of its folder, which needs no quotes in a shell: "pca32-stack4-soundstream"."""
        return _folder(self.name)


# Quantised latents at the bit rates that the codecs are mostly used with: all quantisers of SoundStream
# (9.2 kbit/s) and DAC (6 kbit/s), 6 kbit/s of EnCodec and 1.1 kbit/s of Mimi.
_QUANTISED = ("soundstream-q46", "mimi-12.5-q8", "encodec-q8", "dac-q12")

_DERIVED = (
    # whole frames at the 12.5 Hz of Mimi
    ("soundstream", "stack(4)"),
    ("logmel", "stack(4)"),
    ("world", "stack(4)"),
    ("encodec", "stack(6)"),
    ("encodec", "pool(6)"),
    # 32 dimensions at 12.5 Hz; stacking 4 frames of DAC would give 4096 dimensions to reduce
    ("soundstream", "pca(32) of stack(4)"),
    ("logmel", "pca(32) of stack(4)"),
    ("world", "pca(32) of stack(4)"),
    ("encodec", "pca(32) of stack(6)"),
    ("dac", "pca(32) of pool(4)"),
    ("mimi-12.5", "pca(32)"),
    # the same frames in units in which all directions have the same weight
    ("soundstream", "whiten"),
    ("logmel", "whiten"),
)

REPRESENTATIONS = (
    *(Representation(codec) for codec in (*CODECS, *_QUANTISED)),
    *(Representation(codec, expression) for codec, expression in _DERIVED),
)


def selected(names: Sequence[str]) -> list[Representation]:
    """The representations of these names or folders, with those they are derived from; all for no names.

    Raises:
        InputError: a name is unknown.
    """
    known = {r.folder: r for r in REPRESENTATIONS}
    for name in names:
        if _folder(name) not in known:
            nearest = difflib.get_close_matches(_folder(name), known, n=1)
            hint = f"; did you mean {known[nearest[0]].name}?" if nearest else ""
            raise InputError(
                f"--only {name!r} is unknown{hint} (known: {', '.join(r.name for r in known.values())})"
            )
    asked = [known[_folder(name)] for name in names] or list(REPRESENTATIONS)
    needed = {*asked, *(Representation(r.codec) for r in asked)}
    return [r for r in REPRESENTATIONS if r in needed]


def _folder(name: str) -> str:
    return name.replace("(", "-").replace(")", "")
