"""Which representations `python -m orchestrator.represent` makes of a corpus. To add one, add a line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from trainables.errors import InputError
from trainables.latents.codec_registry import CODECS
from trainables.latents.derived.expression import derived_name, parse


@dataclass(frozen=True)
class Representation:
    """What a codec gives, or what is derived from that."""

    codec: str
    expression: str | None = None  # as `python -m orchestrator.derive --as` takes it

    @property
    def name(self) -> str:
        """As everywhere: "pca32(stack4(soundstream))"."""
        return derived_name(parse(self.expression), self.codec) if self.expression else self.codec

    @property
    def folder(self) -> str:
        """The name of its folder, which no shell wants quoted: "pca32-stack4-soundstream"."""
        return _folder(self.name)


# What the quantisers hand on: at the bit rates that the codecs are mostly used with, all of what there is
# for SoundStream (9.2 kbit/s) and DAC (6 kbit/s), 6 kbit/s for EnCodec and 1.1 for Mimi.
_QUANTISED = ("soundstream-q46", "mimi-12.5-q8", "encodec-q8", "dac-q12")

_DERIVED = (
    # whole frames at the 12.5 Hz of Mimi
    ("soundstream", "stack(4)"),
    ("logmel", "stack(4)"),
    ("world", "stack(4)"),
    ("encodec", "stack(6)"),
    ("encodec", "pool(6)"),
    # 32 dimensions at 12.5 Hz; 4 frames of DAC would be 4096 dimensions to find them in
    ("soundstream", "pca(32) of stack(4)"),
    ("logmel", "pca(32) of stack(4)"),
    ("world", "pca(32) of stack(4)"),
    ("encodec", "pca(32) of stack(6)"),
    ("dac", "pca(32) of pool(4)"),
    ("mimi-12.5", "pca(32)"),
    # the same frames in units in which all directions weigh the same
    ("soundstream", "whiten"),
    ("logmel", "whiten"),
)

REPRESENTATIONS = (
    *(Representation(codec) for codec in (*CODECS, *_QUANTISED)),
    *(Representation(codec, expression) for codec, expression in _DERIVED),
)


def selected(names: Sequence[str]) -> list[Representation]:
    """Those of these names, or of these folders, and what they are derived from; all of them for no name.

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
