"""`python -m orchestrator.represent`: every representation of a corpus, each in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console

from orchestrator.cli import run
from orchestrator.derive import derive
from orchestrator.encode import NOTHING_ENCODED, name_strays, require_limit
from orchestrator.encode_progress import EncodeProgress
from orchestrator.folder import encode_into, missing, opened, require_folder
from orchestrator.representations import Representation, selected
from orchestrator.represented import FILE, Stopwatch, hours, rows, show, write_listing
from orchestrator.weights import Weights, family, given_weights
from trainables.errors import InputError
from trainables.latents.codecs import Codec
from trainables.latents.corpus import Corpus, Recording, find_corpus
from trainables.latents.derived.transform import FILE as TRANSFORM
from trainables.latents.derived.transform import Transform

if TYPE_CHECKING:
    from orchestrator.encoding import Tracks


def represent(
    source: Annotated[Path, typer.Argument(help="Folder of audio, as `encode` takes it.")],
    out: Annotated[Path, typer.Option(help="Folder for all; what it holds is not redone.")],
    only: Annotated[list[str] | None, typer.Option(help="Name of a representation; may be repeated.")] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH, NAME being soundstream, mimi, encodec or dac.")
    ] = None,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Where weights cannot be had, write ones that mean nothing."),
    ] = False,
    limit: Annotated[int | None, typer.Option(help="At most so many utterances, over all splits.")] = None,
) -> None:
    """Encode a corpus with every codec, and derive from that what studies compare: the same utterances at
    matched frame rates and dimensions.

    A codec whose weights cannot be had is left out, and the rest goes on. The table at the end says what OUT
    holds, how large it is, and how long it took over all runs; OUT/representations.json holds the same.

    The exit code is 0 once OUT holds a representation, 1 if there is none, 2 for wrong input.
    """
    require_limit(limit)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    chosen = selected(only or [])
    found = Weights(given_weights(weights or []), out / "weights" if random_weights else None)
    corpus = find_corpus(source)
    require_folder(out)
    codecs = [r for r in chosen if r.expression is None]
    _encode_all([job for r in codecs if (job := _job(r, found, corpus, source, out, limit))], corpus, source)
    for representation in chosen:
        if representation.expression is not None:
            _derive(representation, representation.expression, out)
    name_strays(corpus, source)
    listed = rows(out)
    if not listed:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    write_listing(out, source, listed)
    show(listed, out)
    typer.echo(f"{out / FILE} holds the same as JSON")


class _Job(NamedTuple):
    codec: Codec
    recordings: list[Recording]
    folder: Path


def _job(
    representation: Representation, found: Weights, corpus: Corpus, source: Path, out: Path, limit: int | None
) -> _Job | None:
    """What is left to encode; nothing where it is all there, or where it cannot be."""
    name, folder = representation.name, out / representation.folder
    try:
        codec = found.codec(name)
        left = missing(codec, corpus, source, folder, limit)
    except InputError as error:
        if family(name) in found.given:  # what was asked for by name is wrong input, before anything is done
            raise
        _left_out(name, str(error))
        return None
    return _Job(codec, left, folder) if left else None


def _encode_all(jobs: Sequence[_Job], corpus: Corpus, source: Path) -> None:
    if not jobs:
        return
    from orchestrator.cluster import connected

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    pitch: Tracks = {}  # an utterance is listened to once, not for every codec
    with connected(None) as cluster:
        for codec, recordings, folder in jobs:
            console.print(f"{codec.name}{f' ({codec.note})' if codec.note else ''}", markup=False)
            with EncodeProgress(len(recordings), console) as progress:
                watch = Stopwatch(folder)
                try:
                    encode_into(folder, recordings, codec, corpus, source, cluster, progress, watch, pitch)
                except InputError as error:
                    _left_out(codec.name, str(getattr(error, "cause", error)))


def _derive(representation: Representation, expression: str, out: Path) -> None:
    name, folder = representation.name, out / representation.folder
    base = opened(out / Representation(representation.codec).folder)
    if base is None:
        return _left_out(name, f"it is derived from {representation.codec}, which {out} does not hold")
    if (folder / TRANSFORM).exists() and Transform.load(folder).base_hash != base.content_hash:
        return _left_out(
            name,
            f"{folder} was derived before {base.root} held what it does now; delete it and run this again",
        )
    watch, began, before = Stopwatch(folder), time.monotonic(), hours(opened(folder))
    try:
        derive(str(base.root), expression, folder)
    except InputError as error:
        _left_out(name, str(error))
    finally:
        if (new := hours(opened(folder)) - before) > 0:
            watch(time.monotonic() - began, 3600 * new)


def _left_out(name: str, why: str) -> None:
    typer.echo(f"left out: {name}: {why}", err=True)


if __name__ == "__main__":
    run(represent)
