"""Encoding of a corpus into a folder of latents, as far as the folder does not hold it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import typer

from orchestrator.reporting.terminal_table import TerminalTable
from orchestrator.representations.doubled_utterances import drop_doubled
from orchestrator.representations.encoding_ledger import EncodingLedger
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.runtime.atomic_files import exclusive_lock
from orchestrator.runtime.ray_cluster import Cluster
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.speech.corpus import Corpus, Recording
from trainables.latents.storage.dataset import SPLITS, LatentDataset, open_dataset

NOTHING_ENCODED = 1  # exit code

RecordTime = Callable[[float, float], None]  # gets seconds so far, and seconds of speech encoded in them


def require_folder(out: Path) -> None:
    """Check at once, rather than after hours, that the folder ``out`` can be made; it is not left behind.

    Raises:
        InputError: ``out`` is a file, or cannot be made.
    """
    try:
        existed = out.exists()
        out.mkdir(parents=True, exist_ok=True)
        if not existed:
            out.rmdir()
    except FileExistsError:
        raise InputError(f"--out {out} is a file; give a folder") from None
    except OSError as error:
        raise InputError(f"--out {out} cannot be made ({error.strerror}); give another folder") from None


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold the folder ``out``, which is made if need be, so that no other process encodes into it.

    Raises:
        InputError: another process encodes into it, or it cannot be made.
    """
    require_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive_lock(out, f"another process encodes into {out}; wait for it, or give another --out"):
            yield
    finally:
        with suppress(OSError):  # it holds something
            out.rmdir()


def open_if_present(out: Path) -> LatentDataset | None:
    """The dataset in ``out``; None where it holds no latents yet.

    Raises:
        InputError: ``out`` is a file, or its latents cannot be read.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    return open_dataset(out) if any(out.glob("*.parquet")) else None


def recordings_to_encode(
    codec: Codec, corpus: Corpus, source: Path, out: Path, limit: int | None
) -> list[Recording]:
    """The recordings among the first ``limit`` that ``out`` does not hold, and that can be tried.

    A speaker who is in the dataset already stays in the same split. A recording that failed is tried again
    once its file has changed. Utterances that an older version wrote twice are dropped from ``out`` here.

    Raises:
        InputError: the folder holds another representation, or latents of other weights or another source.
    """
    drop_doubled(out)
    ledger, encoded = EncodingLedger(out), open_if_present(out)
    wanted = [recording for recording in corpus.first(limit) if not ledger.failed(recording)]
    if encoded is None:
        return wanted
    _require_continuation(encoded, codec, corpus, source)
    index = encoded.index
    rows = zip(index["speaker_id"].to_pylist(), index["split"].to_pylist(), strict=True)
    splits, ids = dict(rows), _ids(encoded)
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
    record_time: RecordTime = lambda seconds, speech: None,
) -> None:
    """Encode recordings into ``out`` with progress; those that could not be encoded are in its ledger.

    However it ends, be it by an interrupt, everything encoded by then is in ``out``.
    """
    # Loads Ray: only when there is something to do.
    from orchestrator.representations.encoding_stream import encode_recordings

    meta = meta_of(codec, corpus.hash, source=str(source.resolve()))
    ledger = EncodingLedger(out)
    progress.begin()
    try:
        # Wherever in this loop an interrupt strikes, the stream is closed in order.
        with closing(encode_recordings(recordings, codec, meta, out, cluster)) as steps:
            for encoded in steps:
                ledger.add(encoded.failures, encoded.notes)
                progress.advance(encoded.utterances, encoded.seconds, len(encoded.failures))
                record_time(progress.under_way, progress.speech)
    finally:
        ledger.write()
    typer.echo(progress.summary())


def size_of(dataset: LatentDataset) -> float:
    """The size of a dataset's files on disk, in megabytes."""
    return sum(file.stat().st_size for file in dataset.files) / 1e6


def _require_continuation(encoded: LatentDataset, codec: Codec, corpus: Corpus, source: Path) -> None:
    """Refuse to mix representations, weights or sources in one folder."""
    elsewhere = "encode into another --out"
    if encoded.meta.representation != codec.name:
        raise InputError(f"--out {encoded.root} holds {encoded.meta.representation} latents; {elsewhere}")
    if encoded.meta.codec_hash != codec.hash:
        was, now = encoded.meta.weights, codec.weights
        raise InputError(
            f"--out {encoded.root} was encoded with other weights ({was}, now {now}); {elsewhere}"
        )
    unknown = _ids(encoded) - {recording.utterance_id for recording in corpus.recordings}
    if unknown:
        raise InputError(
            f"--out {encoded.root} holds {min(unknown)}, which {source} does not have; {elsewhere}"
        )


def _ids(dataset: LatentDataset) -> set[str]:
    return set(dataset.index["utterance_id"].to_pylist())


def require_limit(limit: int | None) -> None:
    """Refuse a limit below 1.

    Raises:
        InputError: the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}; it must be at least 1")


def contents_table(dataset: LatentDataset) -> TerminalTable:
    """A table of what a folder of latents holds, one row per split."""
    note = f" ({dataset.meta.note})" if dataset.meta.note else ""
    title = f"{dataset.root}: {dataset.meta.representation}{note}, {size_of(dataset):.1f} MB"
    table = TerminalTable(title, ("split", "utterances", "speakers", "hours"))
    for split in SPLITS:
        hours = dataset.frames(split) / dataset.meta.frame_rate / 3600
        counts = (len(dataset.utterances(split)), len(dataset.speakers(split)))
        table.add(split, *map(str, counts), f"{hours:.2f}")
    return table
