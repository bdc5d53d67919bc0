"""Where each codec's weights come from when all codecs are wanted at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.base import Codec
from trainables.latents.codecs.random_weights import WRITERS, write_random_weights

_NEEDED = ("soundstream", *WRITERS)


def family(codec: str) -> str:
    """Codecs of one family share their weights: "mimi" for mimi-25 and mimi-12.5-q8."""
    return codec.split("-")[0]


def given_weights(words: Sequence[str]) -> dict[str, str]:
    """``NAME=PATH`` as pairs.

    Raises:
        InputError: a word has another form, or names no codec that has weights.
    """
    pairs = {}
    for word in words:
        name, _, path = word.partition("=")
        if name not in _NEEDED or not path:
            raise InputError(
                f"--weights {word!r} is not understood; give NAME=PATH, NAME one of {', '.join(_NEEDED)}"
            )
        pairs[name] = path
    return pairs


class CodecWeights:
    """Codecs with the weights that were given, or published; or random ones, where that is allowed."""

    def __init__(self, given: dict[str, str], random: Path | None) -> None:
        self.given = given
        self._random = random  # folder for random weights
        self._out_of_reach: dict[str, InputError] = {}  # by family: a hub is asked once

    def codec(self, name: str) -> Codec:
        """The codec called ``name``.

        Raises:
            InputError: its weights cannot be had, and how to get them.
        """
        own = family(name)
        if own in self.given:
            return load_codec(name, self.given[own])
        written = self._random / own if self._random and own in WRITERS else None
        if written is not None and written.is_dir():
            return load_codec(name, str(written))
        try:
            return self._published(name, own)
        except InputError:
            if written is None:
                raise
            typer.echo(f"writing random weights of {own} into {written}", err=True)
            _write(own, written)
            return load_codec(name, str(written))

    def _published(self, name: str, own: str) -> Codec:
        if own in self._out_of_reach:
            raise self._out_of_reach[own]
        try:
            return load_codec(name, None)
        except InputError as error:
            if own in WRITERS:
                self._out_of_reach[own] = error
            raise


def _write(own: str, folder: Path) -> None:
    """The folder appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{own}-", dir=folder.parent))
    try:
        write_random_weights(own, draft)
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
