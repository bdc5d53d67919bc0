"""`python -m orchestrator.encode`: a folder of speech into latents that studies can run on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli import run
from orchestrator.encode_progress import EncodeProgress
from orchestrator.folder import encode_into, missing, opened, require_folder, size_of
from trainables.errors import InputError
from trainables.latents.codecs import NAMES, load_codec
from trainables.latents.corpus import Corpus, find_corpus
from trainables.latents.store import SPLITS, LatentDataset

NOTHING_ENCODED = 1  # exit code


def encode(
    source: Annotated[Path, typer.Argument(help="Folder of audio.")],
    representation: Annotated[str, typer.Option(help=f"One of {NAMES}.")],
    out: Annotated[Path, typer.Option(help="Folder for latents; what it holds is not redone.")],
    weights: Annotated[str | None, typer.Option(help="File, folder or hub id of weights.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many, dealt over all splits.")] = None,
) -> None:
    """Encode a folder of speech into latents whose splits share no speaker.

    SOURCE is LibriSpeech (any part of it), or holds a metadata.csv (utterance_id, speaker_id, path and
    optionally split), or has one folder per speaker. Files that cannot be read are named at the end.

    The exit code is 0 once OUT holds latents of SOURCE, 1 if no file could be encoded, 2 for wrong input.
    """
    require_limit(limit)
    corpus = find_corpus(source)
    codec = load_codec(representation, weights)
    left = missing(codec, corpus, source, out, limit)
    if left:
        require_folder(out)
        from orchestrator.cluster import connected

        progress = EncodeProgress(len(left), Console(stderr=True, soft_wrap=True))
        with progress, connected(None) as cluster:
            encode_into(out, left, codec, corpus, source, cluster, progress)
    else:
        typer.echo(f"{out} already holds all {len(corpus.first(limit))} utterances; none encoded")
    name_strays(corpus, source)
    encoded = opened(out)
    if encoded is None:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    Console().print(_contents(encoded))


def require_limit(limit: int | None) -> None:
    """Refuse a limit that leaves nothing."""
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}; it must be at least 1")


def name_strays(corpus: Corpus, source: Path) -> None:
    """Say which files have been left out."""
    for path in corpus.strays:
        typer.echo(f"left out: {path} has no place in the layout of {source}", err=True)


def _contents(dataset: LatentDataset) -> Table:
    what = f"{dataset.meta.representation} {f'({dataset.meta.note})' if dataset.meta.note else ''}".strip()
    table = Table(title=f"{dataset.root}: {what}, {size_of(dataset):.1f} MB", title_justify="left")
    for column in ("split", "utterances", "speakers", "hours"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split in SPLITS:
        hours = dataset.frames(split) / dataset.meta.frame_rate / 3600
        counts = (len(dataset.utterances(split)), len(dataset.speakers(split)))
        table.add_row(split, *map(str, counts), f"{hours:.2f}")
    return table


if __name__ == "__main__":
    run(encode)
