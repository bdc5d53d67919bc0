"""Speech to latent Parquet with Ray Data: read and resample, encode on actors, write parts as they arrive."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.cluster import Cluster
from trainables.errors import InputError
from trainables.latents.corpus import Recording
from trainables.latents.parquet import (
    LatentMeta,
    Utterance,
    table_utterances,
    utterance_table,
    write_utterances,
)

if TYPE_CHECKING:
    from trainables.latents.codecs import Codec

_BLOCK = 8  # recordings that travel together at most, and one step of the progress
_BLOCKS = 8  # per actor at least: one that is done early waits for no more than such a share of the work
_PART = 256  # utterances of a Parquet file, at most
_PART_SECONDS = 60.0  # how long an utterance waits to be written: what a killed run can lose
# Readers must find room beside the actors, or the stream stands still.
_READ_CPUS, _ENCODE_CPUS = 0.25, 0.75


class Encoded(NamedTuple):
    """What became of some recordings: those encoded, and those that could not be, each with its reason."""

    utterances: int
    seconds: float  # of speech in them
    failures: list[tuple[Path, str]]


def encode_recordings(
    recordings: Sequence[Recording], codec: Codec, meta: LatentMeta, out: Path, cluster: Cluster
) -> Generator[Encoded]:
    """Encode recordings into Parquet files in ``out``, some at a time as the caller asks for the next.

    Whatever ends the iteration, an interrupt included, what has been encoded by then is on disk.
    """
    part = _Part(out, meta)
    stream = _stream(recordings, codec, cluster)
    try:
        for table in stream:
            fates = table.select(["path", "seconds", "failure"]).to_pylist()
            encoded = [not fate["failure"] for fate in fates]
            part.add(table_utterances(table.filter(pa.array(encoded))))
            yield Encoded(
                sum(encoded),
                sum(fate["seconds"] for fate in fates if not fate["failure"]),
                [(Path(fate["path"]), fate["failure"]) for fate in fates if fate["failure"]],
            )
    finally:
        part.write()
        stream.close()
        _let_threads_end()


def _stream(recordings: Sequence[Recording], codec: Codec, cluster: Cluster) -> Generator[Any]:
    """Arrow tables of utterances, as they come, with the columns path, seconds and failure beside them."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [asdict(recording) | {"path": str(recording.path.absolute())} for recording in recordings]
    gpus = cluster.gpus if codec.uses_gpu else 0
    actors = max(1, min(gpus or cluster.cpus, len(rows)))
    blocks = min(len(rows), max(-(-len(rows) // _BLOCK), _BLOCKS * actors))
    dataset = (
        ray.data.from_items(rows, override_num_blocks=blocks)
        .map_batches(
            _read, fn_args=(codec.sample_rate,), batch_format="pyarrow", batch_size=None, num_cpus=_READ_CPUS
        )
        .map_batches(
            _Encoder,
            fn_constructor_args=(codec.name, codec.weights),
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=_ENCODE_CPUS,
            num_gpus=1 if gpus else 0,
        )
    )
    # Block by block in this thread: iter_batches would fetch ahead in one that no interrupt can stop.
    bundles = dataset.iter_internal_ref_bundles()
    try:
        for bundle in bundles:
            for block in bundle.block_refs:
                yield ray.get(block)
    finally:
        del bundles  # which ends the execution


def _let_threads_end() -> None:
    """Wait for Ray Data's scheduler: one that calls Ray after its shutdown makes this process exit with 1."""
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(timeout=60)


def _read(table: pa.Table, sample_rate: int) -> pa.Table:
    """Adds audio, at the codec's sample rate, and failure: why there is none."""
    from trainables.latents.encode import read_audio

    audio, failures = [], []
    for path in table["path"].to_pylist():
        try:
            audio.append(read_audio(Path(path), sample_rate))
            failures.append("")
        except InputError as error:
            audio.append(np.empty(0, np.float32))
            failures.append(str(error))
    nested = pa.array(audio, pa.list_(pa.float32()))
    return table.append_column("audio", nested).append_column("failure", pa.array(failures, pa.string()))


class _Encoder:
    """An actor that holds the codec."""

    def __init__(self, name: str, weights: str | None) -> None:
        import torch

        from trainables.latents.codecs import load_codec

        torch.set_num_threads(1)  # there is an actor per core
        self._codec = load_codec(name, weights)

    def __call__(self, table: pa.Table) -> pa.Table:
        utterances, failures, seconds = [], [], []
        rows = table.select(["utterance_id", "speaker_id", "split", "path"]).to_pylist()
        for row, samples, failure in zip(rows, table["audio"], table["failure"].to_pylist(), strict=True):
            recording, audio = Recording(**row | {"path": Path(row["path"])}), samples.values.to_numpy()
            utterance, failure = self._encode(recording, audio, failure)
            utterances.append(utterance)
            failures.append(failure)
            seconds.append(len(audio) / self._codec.sample_rate)
        return (
            utterance_table(utterances, self._codec.dim, self._codec.frame_rate)
            .append_column("path", table["path"])
            .append_column("seconds", pa.array(seconds, pa.float64()))
            .append_column("failure", pa.array(failures, pa.string()))
        )

    def _encode(
        self, recording: Recording, audio: NDArray[np.float32], failure: str
    ) -> tuple[Utterance, str]:
        from trainables.latents.encode import encode_recording

        if not failure:
            try:
                return encode_recording(self._codec, recording, audio), ""
            except InputError as error:
                failure = str(error)
            except Exception as error:  # whatever one file does to a codec, the others must not be lost
                failure = f"{type(error).__name__}: {error}"
        who = (recording.utterance_id, recording.speaker_id, recording.split)
        track = np.empty(0, np.float32)
        return Utterance(*who, np.empty((0, self._codec.dim), np.float32), track, track, track), failure


class _Part:
    """Utterances on their way into the next Parquet file; it appears whole, and no earlier one is touched."""

    def __init__(self, out: Path, meta: LatentMeta) -> None:
        self._out, self._meta = out, meta
        self._waiting: list[Utterance] = []
        self._since = time.monotonic()
        for rest in out.glob(".part-*.tmp"):  # of a run that was killed while it wrote
            rest.unlink()

    def add(self, utterances: Iterable[Utterance]) -> None:
        """Keep them, and write once there are many or the first has waited long."""
        self._waiting += utterances
        if len(self._waiting) >= _PART or time.monotonic() - self._since > _PART_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what waits, if anything does, under the next free number."""
        if self._waiting:
            paths = (self._out / f"part-{number:05d}.parquet" for number in itertools.count())
            free = next(path for path in paths if not path.exists())
            write_utterances(free, self._waiting, self._meta)
        self._waiting, self._since = [], time.monotonic()
