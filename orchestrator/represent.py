"""`python -m orchestrator.represent`: every representation of a corpus, each in a folder of its own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from orchestrator.representations.catalogue import selected
from orchestrator.representations.codec_weights import CodecWeights, given_weights
from orchestrator.representations.corpus_report import warn
from orchestrator.representations.encoded_folder import (
    NOTHING_ENCODED,
    require_folder,
    require_limit,
)
from orchestrator.representations.encoding_ledger import name_left_out
from orchestrator.representations.inventory import (
    INVENTORY_FILE,
    inventory_rows,
    print_inventory,
    write_inventory,
)
from orchestrator.representations.make_all import make_all
from orchestrator.representations.track_making import TracksWhen, make_tracks_of
from orchestrator.runtime import cli
from trainables.errors import InputError
from trainables.latents.speech.corpus import find_corpus

EXAMPLE = "python -m orchestrator.represent speech --out latents --only logmel"


class InventoryAnswer(TypedDict):
    """Every representation in a folder, with the fields of ``representations.json``."""

    folder: str
    representations: list[dict[str, Any]]


def represent(
    source: Annotated[Path, typer.Argument(help="Folder of audio, as `encode` takes it.")],
    out: Annotated[Path, typer.Option(help="Folder for all; what it holds is not redone.")],
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a representation to make; may be given again.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights as NAME=PATH, NAME being soundstream, mimi, encodec or dac; may be given again."
        ),
    ] = None,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Where weights cannot be had, write ones that mean nothing."),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="Most utterances to encode, dealt over all splits.")
    ] = None,
    speaker_from: Annotated[
        str | None, typer.Option(help="Regular expression that finds the speaker, as `encode` takes it.")
    ] = None,
    tracks: Annotated[
        TracksWhen,
        typer.Option(help="When energy, pitch and spectral flux are measured: once something asks, or now."),
    ] = TracksWhen.LATER,
) -> InventoryAnswer:
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
    found = CodecWeights(given_weights(weights or []), out / "weights" if random_weights else None)
    corpus = find_corpus(source, speaker_from)
    warn(corpus.warnings)
    require_folder(out)
    make_all(chosen, found, corpus, source, out, limit)
    name_left_out(corpus)
    rows = inventory_rows(out)
    if not rows:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    if tracks == TracksWhen.NOW:
        make_tracks_of(out / max(rows, key=lambda row: row.utterances).folder)
    write_inventory(out, source, rows)
    print_inventory(rows, out)
    typer.echo(f"{out / INVENTORY_FILE} holds the same as JSON")
    return {"folder": str(out), "representations": [asdict(row) for row in rows]}


def main() -> None:
    """The command."""
    cli.run(represent, EXAMPLE)


if __name__ == "__main__":
    main()
