"""`python -m orchestrator.encode`: a folder of speech into latents that studies can run on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.reporting.terminal_table import print_table
from orchestrator.representations.encoded_folder import (
    NOTHING_ENCODED,
    contents_table,
    encode_into,
    name_strays,
    open_if_present,
    recordings_to_encode,
    require_folder,
    require_limit,
)
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.runtime import cli
from trainables.latents.codec_registry import NAMES, load_codec
from trainables.latents.speech.corpus import find_corpus

EXAMPLE = "python -m orchestrator.encode speech --representation logmel --out latents"


def encode(
    source: Annotated[Path, typer.Argument(help="Folder of audio, in one of the layouts above.")],
    representation: Annotated[str, typer.Option(help=f"One of {NAMES}.")],
    out: Annotated[Path, typer.Option(help="Folder for latents; what it holds is not redone.")],
    weights: Annotated[str | None, typer.Option(help="File, folder or hub id of weights.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most utterances to encode, dealt over all splits.")
    ] = None,
) -> None:
    """Encode a folder of speech into latents whose splits share no speaker.

    SOURCE is LibriSpeech (any part of it), or holds a metadata.csv (utterance_id, speaker_id, path and
    optionally split), or has one folder per speaker. Files that cannot be read are named at the end.

    The exit code is 0 once OUT holds latents of SOURCE, 1 if no file could be encoded, 2 for wrong input.
    """
    require_limit(limit)
    corpus = find_corpus(source)
    codec = load_codec(representation, weights)
    left = recordings_to_encode(codec, corpus, source, out, limit)
    if left:
        require_folder(out)
        from orchestrator.runtime.ray_cluster import connected

        progress = EncodeProgress(len(left), Console(stderr=True, soft_wrap=True))
        with progress, connected(None) as cluster:
            encode_into(out, left, codec, corpus, source, cluster, progress)
    else:
        typer.echo(f"{out} already holds all {len(corpus.first(limit))} utterances; none encoded")
    name_strays(corpus, source)
    encoded = open_if_present(out)
    if encoded is None:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    print_table(Console(), contents_table(encoded))


def main() -> None:
    """The command."""
    cli.run(encode, EXAMPLE)


if __name__ == "__main__":
    main()
