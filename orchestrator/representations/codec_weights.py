"""The sources of each codec's weights where many codecs are loaded in one command."""

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
    """The family of a codec, whose members share their weights: "mimi" for mimi-25 and mimi-12.5-q8."""
    return codec.split("-")[0]


def given_weights(words: Sequence[str]) -> dict[str, str]:
    """The path of the weights by family, from words of the form ``NAME=PATH``.

    Raises:
        InputError: a word has another form, or names no codec that has weights.
    """
    paths = {}
    for word in words:
        name, _, path = word.partition("=")
        if name not in _NEEDED or not path:
            raise InputError(
                f"--weights {word!r} is not understood; give NAME=PATH, NAME one of {', '.join(_NEEDED)}"
            )
        paths[name] = path
    return paths


class CodecWeights:
    """Loads codecs with given weights, else published ones, else random ones where these are allowed."""

    def __init__(self, given: dict[str, str], random: Path | None) -> None:
        self.given = given
        self._random = random  # folder for random weights
        self._unavailable: dict[str, InputError] = {}  # by family: a hub is asked once

    def codec(self, name: str) -> Codec:
        """The codec called ``name``, with its weights loaded.

        Raises:
            InputError: its weights are not available; the message says how to get them.
        """
        family_name = family(name)
        if family_name in self.given:
            return load_codec(name, self.given[family_name])
        written = self._random / family_name if self._random and family_name in WRITERS else None
        if written is not None and written.is_dir():
            return load_codec(name, str(written))
        try:
            return self._published(name, family_name)
        except InputError:
            if written is None:
                raise
            typer.echo(f"writing random weights of {family_name} into {written}", err=True)
            _write(family_name, written)
            return load_codec(name, str(written))

    def _published(self, name: str, family_name: str) -> Codec:
        if family_name in self._unavailable:
            raise self._unavailable[family_name]
        try:
            return load_codec(name, None)
        except InputError as error:
            if family_name in WRITERS:
                self._unavailable[family_name] = error
            raise


def _write(family_name: str, folder: Path) -> None:
    """Write random weights of a family; the folder appears complete or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{family_name}-", dir=folder.parent))
    try:
        write_random_weights(family_name, draft)
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
