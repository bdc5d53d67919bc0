"""`python -m orchestrator.encode`: a folder of speech into latents that studies can run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli import run
from orchestrator.encode_progress import EncodeProgress
from trainables.errors import InputError
from trainables.latents.codecs import CODECS, Codec, load_codec
from trainables.latents.corpus import Corpus, Recording, find_corpus
from trainables.latents.store import SPLITS, LatentDataset, LatentMeta, open_dataset

NOTHING_ENCODED = 1  # exit code


def encode(
    source: Annotated[Path, typer.Argument(help="Folder of audio, in one of the layouts below.")],
    representation: Annotated[str, typer.Option(help=f"One of {', '.join(CODECS)}.")],
    out: Annotated[Path, typer.Option(help="Folder for the latents; what it holds is not encoded again.")],
    weights: Annotated[str | None, typer.Option(help="File, folder or hub id of the codec's weights.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many, dealt over splits and speakers.")] = None,
) -> None:
    """Encode a folder of speech into latents whose splits share no speaker.

    SOURCE is LibriSpeech (any part of it), or holds a metadata.csv (utterance_id, speaker_id, path and optionally
    split), or has one folder per speaker. Files that cannot be read are named at the end. The exit code is 0 once
    OUT holds latents of SOURCE, 1 if no file could be encoded, 2 for wrong input.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}; it must be at least 1")
    corpus = find_corpus(source)
    codec = load_codec(representation, weights)
    done = _opened(out)
    if done is not None:
        _require_continuation(done, codec, corpus, source)
    wanted = corpus.first(limit)
    missing = _missing(wanted, done)
    if missing:
        _encode(missing, codec, corpus, out)
    else:
        typer.echo(f"{out} already holds all {len(wanted)} utterances; none encoded")
    for path in corpus.strays:
        typer.echo(f"left out: {path} has no place in the layout of {source}", err=True)
    encoded = _opened(out)
    if encoded is None:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    Console().print(_contents(encoded))
