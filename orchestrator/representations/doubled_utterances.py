"""Mending of a folder into which two encodings wrote the same utterances."""

from __future__ import annotations

from pathlib import Path

import typer

from trainables.latents.storage.dataset import whole_file
from trainables.latents.storage.latent_file import open_file
from trainables.latents.storage.parquet_file import table_utterances, write_utterances


def drop_doubled(out: Path) -> None:
    """Keep the first of every utterance in a folder of latents, and say how many others were dropped.

    A file appears whole in its new form, so that a kill leaves a folder that can be mended again.

    Raises:
        InputError: a file is damaged.
    """
    seen: set[str] = set()
    dropped = 0
    for path in sorted(out.glob("*.parquet")):
        file = open_file(path)
        ids = file.index["utterance_id"].to_pylist()
        keep = [name for name in dict.fromkeys(ids) if name not in seen]
        seen.update(keep)
        dropped += len(ids) - len(keep)
        if not keep:
            path.unlink()
        elif len(keep) < len(ids):
            first = {row.utterance_id: row for row in reversed(table_utterances(whole_file(path)))}
            write_utterances(path, [first[name] for name in keep], file.meta)
    if dropped:
        typer.echo(f"{out} held {dropped} utterances twice; one of each was dropped", err=True)
