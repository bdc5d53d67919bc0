"""Everything of a corpus that a folder of latents does not hold yet, encoded into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.runtime.ray_cluster import Cluster
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.speech.corpus import Corpus, Recording
from trainables.latents.storage.dataset import SPLITS, LatentDataset, LatentMeta, open_dataset

if TYPE_CHECKING:
    from orchestrator.representations.encoding_stream import PitchTracks

NOTHING_ENCODED = 1  # exit code

Took = Callable[[float, float], None]  # told seconds, and seconds of speech encoded in them


def require_folder(out: Path) -> None:
    """See now rather than after hours that ``out`` can be made; one that is not there is not left behind.

    Raises:
        InputError: it is a file, or cannot be made.
    """
    try:
        there = out.exists()
        out.mkdir(parents=True, exist_ok=True)
        if not there:
            out.rmdir()
    except FileExistsError:
        raise InputError(f"--out {out} is a file; give a folder") from None
    except OSError as error:
        raise InputError(f"--out {out} cannot be made ({error.strerror}); give another folder") from None


def open_if_present(out: Path) -> LatentDataset | None:
    """The dataset in ``out``, if there is one yet."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    return open_dataset(out) if any(out.glob("*.parquet")) else None


def recordings_to_encode(
    codec: Codec, corpus: Corpus, source: Path, out: Path, limit: int | None
) -> list[Recording]:
    """What ``out`` does not hold yet of the first ``limit`` recordings.

    A speaker whom the dataset knows stays in the split it is in.

    Raises:
        InputError: the folder holds other latents, from other weights or another source.
    """
    done, wanted = open_if_present(out), corpus.first(limit)
    if done is None:
        return wanted
    _require_continuation(done, codec, corpus, source)
    rows = zip(done.index["speaker_id"].to_pylist(), done.index["split"].to_pylist(), strict=True)
    splits, ids = dict(rows), _ids(done)
    left = [recording for recording in wanted if recording.utterance_id not in ids]
    return [replace(r, split=splits.get(r.speaker_id, r.split)) for r in left]


def encode_into(
    out: Path,
    recordings: Sequence[Recording],
    codec: Codec,
    corpus: Corpus,
    source: Path,
    cluster: Cluster,
    progress: EncodeProgress,
    took: Took = lambda seconds, speech: None,
    pitch: PitchTracks | None = None,
) -> None:
    """Encode, show progress, and name what could not be encoded once all else is done.

    Whatever ends it, an interrupt included, what has been encoded by then is in ``out``.
    """
    # Loads Ray: only when there is something to do.
    from orchestrator.representations.encoding_stream import encode_recordings

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
    progress.begin()
    # Wherever in this loop an interrupt strikes, the steps end in order.
    with closing(encode_recordings(recordings, codec, meta, out, cluster, pitch)) as steps:
        for encoded in steps:
            failures += encoded.failures
            progress.advance(encoded.utterances, encoded.seconds, len(encoded.failures))
            took(progress.under_way, progress.speech)
    typer.echo(progress.summary())
    for path, reason in sorted(failures):
        typer.echo(f"not encoded: {path}: {reason}", err=True)


def size_of(dataset: LatentDataset) -> float:
    """Megabytes on disk."""
    return sum(file.stat().st_size for file in dataset.files) / 1e6


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


def _ids(dataset: LatentDataset) -> set[str]:
    return set(dataset.index["utterance_id"].to_pylist())


def require_limit(limit: int | None) -> None:
    """Refuse a limit that leaves nothing."""
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}; it must be at least 1")


def name_strays(corpus: Corpus, source: Path) -> None:
    """Say which files have been left out."""
    for path in corpus.strays:
        typer.echo(f"left out: {path} has no place in the layout of {source}", err=True)


def contents_table(dataset: LatentDataset) -> TerminalTable:
    """What a folder of latents holds, a row per split."""
    note = f" ({dataset.meta.note})" if dataset.meta.note else ""
    title = f"{dataset.root}: {dataset.meta.representation}{note}, {size_of(dataset):.1f} MB"
    table = TerminalTable(title, ("split", "utterances", "speakers", "hours"))
    for split in SPLITS:
        hours = dataset.frames(split) / dataset.meta.frame_rate / 3600
        counts = (len(dataset.utterances(split)), len(dataset.speakers(split)))
        table.add(split, *map(str, counts), f"{hours:.2f}")
    return table
