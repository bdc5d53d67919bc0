"""`python -m orchestrator.encode`: a folder of speech into latents that studies can run on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli import run
from orchestrator.encode_progress import EncodeProgress
from trainables.errors import InputError
from trainables.latents.codecs import NAMES, Codec, load_codec
from trainables.latents.corpus import Corpus, Recording, find_corpus
from trainables.latents.store import SPLITS, LatentDataset, LatentMeta, open_dataset

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
        _encode(missing, codec, corpus, source, out)
    else:
        typer.echo(f"{out} already holds all {len(wanted)} utterances; none encoded")
    for path in corpus.strays:
        typer.echo(f"left out: {path} has no place in the layout of {source}", err=True)
    encoded = _opened(out)
    if encoded is None:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    Console().print(_contents(encoded))


def _encode(recordings: Sequence[Recording], codec: Codec, corpus: Corpus, source: Path, out: Path) -> None:
    """Encode, show progress, and name what could not be encoded once all else is done."""
    from orchestrator.encoding import encode_recordings  # loads Ray: only when there is something to do

    meta = LatentMeta(
        representation=codec.name,
        dim=codec.dim,
        frame_rate=codec.frame_rate,
        codec=codec.name,
        codec_hash=codec.hash,
        weights=codec.weights,
        corpus_hash=corpus.hash,
        lattice_step=codec.lattice_step,
        note=codec.note,
        source=str(source.resolve()),
    )
    failures: list[tuple[Path, str]] = []
    progress = EncodeProgress(len(recordings), Console(stderr=True, soft_wrap=True))
    steps = encode_recordings(recordings, codec, meta, out, progress.begin)
    with progress, closing(steps):  # wherever in this loop an interrupt strikes, the steps end in order
        for encoded in steps:
            failures += encoded.failures
            progress.advance(encoded.utterances, encoded.seconds, len(encoded.failures))
    typer.echo(progress.summary())
    for path, reason in sorted(failures):
        typer.echo(f"not encoded: {path}: {reason}", err=True)


def _opened(out: Path) -> LatentDataset | None:
    """The dataset in ``out``, if there is one yet."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    return open_dataset(out) if any(out.glob("*.parquet")) else None


def _require_continuation(done: LatentDataset, codec: Codec, corpus: Corpus, source: Path) -> None:
    """Refuse to mix representations, weights or sources in one folder."""
    elsewhere = "encode into another --out"
    if done.meta.representation != codec.name:
        raise InputError(f"--out {done.root} holds {done.meta.representation} latents; {elsewhere}")
    if done.meta.codec_hash != codec.hash:
        was, now = done.meta.weights, codec.weights
        raise InputError(f"--out {done.root} was encoded with other weights ({was}, now {now}); {elsewhere}")
    unknown = _ids(done) - {recording.utterance_id for recording in corpus.recordings}
    if unknown:
        raise InputError(f"--out {done.root} holds {min(unknown)}, which {source} does not have; {elsewhere}")


def _missing(wanted: Sequence[Recording], done: LatentDataset | None) -> list[Recording]:
    """What is not encoded yet; a speaker whom the dataset knows stays in the split it is in."""
    if done is None:
        return list(wanted)
    rows = zip(done.index["speaker_id"].to_pylist(), done.index["split"].to_pylist(), strict=True)
    splits, ids = dict(rows), _ids(done)
    missing = [recording for recording in wanted if recording.utterance_id not in ids]
    return [replace(r, split=splits.get(r.speaker_id, r.split)) for r in missing]


def _ids(dataset: LatentDataset) -> set[str]:
    return set(dataset.index["utterance_id"].to_pylist())


def _contents(dataset: LatentDataset) -> Table:
    size = sum(file.stat().st_size for file in dataset.files) / 1e6
    what = f"{dataset.meta.representation} {f'({dataset.meta.note})' if dataset.meta.note else ''}".strip()
    table = Table(title=f"{dataset.root}: {what}, {size:.1f} MB", title_justify="left")
    for column in ("split", "utterances", "speakers", "hours"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split in SPLITS:
        hours = dataset.frames(split) / dataset.meta.frame_rate / 3600
        counts = (len(dataset.utterances(split)), len(dataset.speakers(split)))
        table.add_row(split, *map(str, counts), f"{hours:.2f}")
    return table


if __name__ == "__main__":
    run(encode)
