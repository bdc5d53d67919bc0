"""Encoding speech into Parquet with Ray Data: read and resample, encode on actors, write parts early."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from orchestrator.runtime.disk_space import writing
from orchestrator.runtime.ray_cluster import Cluster
from orchestrator.runtime.ray_internals import arrow_blocks, wait_for_executors
from orchestrator.runtime.threads import use_one_thread
from trainables.errors import reason_of
from trainables.latents.speech.corpus import Recording
from trainables.latents.storage.parquet_file import (
    LatentMeta,
    Utterance,
    table_utterances,
    utterance_table,
    write_utterances,
)

if TYPE_CHECKING:
    from trainables.latents.codecs.base import Codec
    from trainables.latents.speech.recorded_audio import RecordedAudio

_BLOCK = 8  # recordings in a block at most; the progress advances by blocks
_BLOCKS = 8  # per actor at least: an actor that is done early waits for at most this share of the work
_PART = 256  # utterances of a Parquet file, at most
_PART_SECONDS = 60.0  # how long an utterance waits to be written: as much as a killed run can lose
_PART_BYTES = 1 << 28  # of latents that wait to be written, at most
_ENCODE_CPUS = 0.75  # of an actor with a GPU
_AHEAD = 2  # recordings that are read while another is encoded


class Encoded(NamedTuple):
    """The outcome of some recordings: how many were encoded, and why the others could not be."""

    utterances: int
    seconds: float  # of speech in them
    failures: list[tuple[Path, str]]  # file, and the reason why it was not encoded
    notes: list[tuple[Path, str]]  # file that was encoded, and what was found and done


def encode_recordings(
    recordings: Sequence[Recording], codec: Codec, meta: LatentMeta, out: Path, cluster: Cluster
) -> Generator[Encoded]:
    """Encode recordings into Parquet files in ``out``, a block each time the caller asks for the next.

    However the iteration ends, be it by an interrupt, everything encoded by then is on disk.
    """
    part = _Part(out, meta)
    stream = _stream(recordings, codec, cluster)
    try:
        for table in stream:
            outcomes = table.select(["path", "seconds", "failure", "notes"]).to_pylist()
            encoded = [not outcome["failure"] for outcome in outcomes]
            part.add(table_utterances(table.filter(pa.array(encoded))))
            said = {
                key: [(Path(outcome["path"]), outcome[key]) for outcome in outcomes if outcome[key]]
                for key in ("failure", "notes")
            }
            seconds = sum(outcome["seconds"] for outcome in outcomes)
            yield Encoded(sum(encoded), seconds, said["failure"], said["notes"])
    finally:
        try:
            part.write()
        finally:
            stream.close()
            wait_for_executors()


def _stream(recordings: Sequence[Recording], codec: Codec, cluster: Cluster) -> Generator[Any]:
    """Arrow tables of utterances in order of arrival, with columns path, seconds, failure and notes."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    gpus = cluster.gpus if codec.uses_gpu else 0
    actors = max(1, min(gpus or cluster.cpus, len(recordings)))
    blocks = min(len(recordings), max(-(-len(recordings) // _BLOCK), _BLOCKS * actors))
    ends = [number * len(recordings) // blocks for number in range(blocks + 1)]
    dataset = ray.data.from_arrow([_table(recordings[a:b]) for a, b in itertools.pairwise(ends)])
    dataset = dataset.map_batches(
        _Encoder,
        fn_constructor_args=(codec.name, codec.weights),
        batch_format="pyarrow",
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=_ENCODE_CPUS if gpus else 1,
        num_gpus=1 if gpus else 0,
    )
    yield from arrow_blocks(dataset)


def _table(recordings: Sequence[Recording]) -> pa.Table:
    """The columns known before anything is read."""
    rows = [asdict(recording) | {"path": str(recording.path.absolute())} for recording in recordings]
    return pa.Table.from_pylist(rows)


class _Outcome(NamedTuple):
    """What became of a recording: an utterance, empty where there is a failure."""

    utterance: Utterance
    seconds: float
    failure: str
    notes: tuple[str, ...]


class _Encoder:
    """An actor that holds the codec, and reads files while it encodes others."""

    def __init__(self, name: str, weights: str | None) -> None:
        from trainables.latents.codec_registry import load_codec

        use_one_thread()
        self._codec = load_codec(name, weights)
        self._readers = ThreadPoolExecutor(_AHEAD)

    def __call__(self, table: pa.Table) -> pa.Table:
        columns = ["utterance_id", "speaker_id", "split", "path"]
        rows = [Recording(**row | {"path": Path(row["path"])}) for row in table.select(columns).to_pylist()]
        outcomes = [self._encode(recording, read) for recording, read in self._read_ahead(rows)]
        return (
            utterance_table([o.utterance for o in outcomes], self._codec.dim, self._codec.frame_rate)
            .append_column("path", table["path"])
            .append_column("seconds", pa.array([o.seconds for o in outcomes], pa.float64()))
            .append_column("failure", pa.array([o.failure for o in outcomes], pa.string()))
            .append_column("notes", pa.array(["; ".join(o.notes) for o in outcomes], pa.string()))
        )

    def _read_ahead(
        self, recordings: Sequence[Recording]
    ) -> Iterator[tuple[Recording, Future[RecordedAudio]]]:
        """Each recording with its audio, of which the next ones are read meanwhile."""
        from trainables.latents.speech.recorded_audio import RecordedAudio

        waiting: deque[tuple[Recording, Future[RecordedAudio]]] = deque()
        for recording in recordings:
            future = self._readers.submit(RecordedAudio, recording.path, self._codec.sample_rate)
            waiting.append((recording, future))
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        yield from waiting

    def _encode(self, recording: Recording, read: Future[RecordedAudio]) -> _Outcome:
        from trainables.latents.encode_recording import encode_recording

        try:
            audio = read.result()
            return _Outcome(encode_recording(self._codec, recording, audio), audio.seconds, "", audio.notes)
        except Exception as error:  # if one file breaks a reader or a codec, the others must not be lost
            failure = reason_of(error)
        identity = (recording.utterance_id, recording.speaker_id, recording.split)
        track = np.empty(0, np.float32)
        empty = Utterance(*identity, np.empty((0, self._codec.dim), np.float32), track, track, track)
        return _Outcome(empty, 0.0, failure, ())


class _Part:
    """The utterances of the next Parquet file, which appears complete and leaves earlier ones untouched."""

    def __init__(self, out: Path, meta: LatentMeta) -> None:
        self._out, self._meta = out, meta
        self._waiting: list[Utterance] = []
        self._since = time.monotonic()
        for leftover in out.glob(".part-*.tmp"):  # of a run that was killed while it wrote
            leftover.unlink()

    def add(self, utterances: Iterable[Utterance]) -> None:
        """Keep utterances, and write them once there are many or the first has waited long."""
        self._waiting += utterances
        size = 2 * sum(row.latents.size for row in self._waiting)
        if (
            len(self._waiting) >= _PART
            or size > _PART_BYTES
            or time.monotonic() - self._since > _PART_SECONDS
        ):
            self.write()

    def write(self) -> None:
        """Write the waiting utterances, if there are any, under the next free number."""
        if self._waiting:
            paths = (self._out / f"part-{number:05d}.parquet" for number in itertools.count())
            free = next(path for path in paths if not path.exists())
            with writing(free, 2 * sum(row.latents.size for row in self._waiting)):  # they are float16
                write_utterances(free, self._waiting, self._meta)
        self._waiting, self._since = [], time.monotonic()
