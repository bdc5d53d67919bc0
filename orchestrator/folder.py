"""Everything of a corpus that a folder of latents does not hold yet, encoded into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.cluster import Cluster
from orchestrator.encode_progress import EncodeProgress
from trainables.errors import InputError
from trainables.latents.codecs import Codec
from trainables.latents.corpus import Corpus, Recording
from trainables.latents.store import LatentDataset, LatentMeta, open_dataset

if TYPE_CHECKING:
    from orchestrator.encoding import Tracks

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


def opened(out: Path) -> LatentDataset | None:
    """The dataset in ``out``, if there is one yet."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    return open_dataset(out) if any(out.glob("*.parquet")) else None


def missing(codec: Codec, corpus: Corpus, source: Path, out: Path, limit: int | None) -> list[Recording]:
    """What ``out`` does not hold yet of the first ``limit`` recordings.

    A speaker whom the dataset knows stays in the split it is in.

    Raises:
        InputError: the folder holds other latents, from other weights or another source.
    """
    done, wanted = opened(out), corpus.first(limit)
    if done is None:
        return wanted
    _require_continuation(done, codec, corpus, source)
    rows = zip(done.index["speaker_id"].to_pylist(), done.index["split"].to_pylist(), strict=True)
    splits, ids = dict(rows), _ids(done)
    left = [recording for recording in wanted if recording.utterance_id not in ids]
    return [replace(r, split=splits.get(r.speaker_id, r.split)) for r in left]


def encode_into(
    out: Path, recordings: Sequence[Recording], codec: Codec, corpus: Corpus, source: Path, cluster: Cluster,
    progress: EncodeProgress, took: Took = lambda seconds, speech: None, pitch: Tracks | None = None,
) -> None:  # fmt: skip
    """Encode, show progress, and name what could not be encoded once all else is done.

    Whatever ends it, an interrupt included, what has been encoded by then is in ``out``.
    """
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
