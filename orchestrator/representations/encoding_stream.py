"""Encoding speech into Parquet with Ray Data: read and resample, encode on actors, write parts early."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterable, MutableMapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchestrator.runtime.disk_space import writing
from orchestrator.runtime.ray_cluster import Cluster
from orchestrator.runtime.ray_internals import arrow_blocks, wait_for_executors
from orchestrator.runtime.threads import use_one_thread
from trainables.errors import InputError
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

_BLOCK = 8  # recordings in a block at most; the progress advances by blocks
_BLOCKS = 8  # per actor at least: an actor that is done early waits for at most this share of the work
_PART = 256  # utterances of a Parquet file, at most
_PART_SECONDS = 60.0  # how long an utterance waits to be written: as much as a killed run can lose
# Cores of readers, and of actors with a GPU: readers must find room beside these, or the stream stops.
_READ_CPUS, _ENCODE_CPUS = 0.25, 0.75


# Pitch of utterances by id: the most expensive of their columns, for a fast codec more than half of all
# work, and the same for all codecs. An hour of speech takes 0.9 MB.
PitchTracks = MutableMapping[str, NDArray[np.float32]]


class Encoded(NamedTuple):
    """The outcome of some recordings: how many were encoded, and why the others could not be."""

    utterances: int
    seconds: float  # of speech in them
    failures: list[tuple[Path, str]]  # file, and the reason why it was not encoded


def encode_recordings(
    recordings: Sequence[Recording],
    codec: Codec,
    meta: LatentMeta,
    out: Path,
    cluster: Cluster,
    pitch: PitchTracks | None = None,
) -> Generator[Encoded]:
    """Encode recordings into Parquet files in ``out``, a block each time the caller asks for the next.

    The pitch of an utterance that ``pitch`` holds is not tracked again; those tracked now are added to it.
    However the iteration ends, be it by an interrupt, everything encoded by then is on disk.
    """
    part = _Part(out, meta)
    stream = _stream(recordings, codec, cluster, {} if pitch is None else pitch)
    try:
        for table in stream:
            outcomes = table.select(["path", "seconds", "failure"]).to_pylist()
            encoded = [not outcome["failure"] for outcome in outcomes]
            part.add(table_utterances(table.filter(pa.array(encoded))))
            if pitch is not None:
                pitch.update(_pitch_tracks(table))
            yield Encoded(
                sum(encoded),
                sum(outcome["seconds"] for outcome in outcomes if not outcome["failure"]),
                [(Path(outcome["path"]), outcome["failure"]) for outcome in outcomes if outcome["failure"]],
            )
    finally:
        try:
            part.write()
        finally:
            stream.close()
            wait_for_executors()


def _pitch_tracks(table: pa.Table) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """Pitch tracks as copies: a view would hold the whole table, latents and all, in Ray's memory."""
    columns = zip(table["utterance_id"].to_pylist(), table["pitch"], strict=True)
    return ((name, pitch.values.to_numpy().copy()) for name, pitch in columns if len(pitch))


def _stream(
    recordings: Sequence[Recording], codec: Codec, cluster: Cluster, pitch: PitchTracks
) -> Generator[Any]:
    """Arrow tables of utterances in order of arrival, with columns path, seconds, failure and pitch."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    gpus = cluster.gpus if codec.uses_gpu else 0
    actors = max(1, min(gpus or cluster.cpus, len(recordings)))
    blocks = min(len(recordings), max(-(-len(recordings) // _BLOCK), _BLOCKS * actors))
    ends = [number * len(recordings) // blocks for number in range(blocks + 1)]
    dataset = ray.data.from_arrow([_table(recordings[a:b], pitch) for a, b in itertools.pairwise(ends)])
    if gpus:  # a GPU must not wait for a disk; CPU actors read themselves, as more processes only start later
        dataset = dataset.map_batches(
            _read, fn_args=(codec.sample_rate,), batch_format="pyarrow", batch_size=None, num_cpus=_READ_CPUS
        )
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


def _table(recordings: Sequence[Recording], pitch: PitchTracks) -> pa.Table:
    """The columns known before anything is read; an empty pitch track is an unknown one."""
    rows = [asdict(recording) | {"path": str(recording.path.absolute())} for recording in recordings]
    known = [pitch.get(recording.utterance_id, np.empty(0, np.float32)) for recording in recordings]
    return pa.Table.from_pylist(rows).append_column("pitch", pa.array(known, pa.list_(pa.float32())))


def _read(table: pa.Table, sample_rate: int) -> pa.Table:
    """Add the columns audio, at the codec's sample rate, and failure, the reason why there is none."""
    from trainables.latents.encode_recording import read_audio

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
        from trainables.latents.codec_registry import load_codec

        use_one_thread()
        self._codec = load_codec(name, weights)

    def __call__(self, table: pa.Table) -> pa.Table:
        if "audio" not in table.column_names:
            table = _read(table, self._codec.sample_rate)
        utterances, failures, seconds, tracks = [], [], [], []
        rows = table.select(["utterance_id", "speaker_id", "split", "path"]).to_pylist()
        columns = table["audio"], table["pitch"], table["failure"].to_pylist()
        for row, samples, track, failure in zip(rows, *columns, strict=True):
            recording, audio = Recording(**row | {"path": Path(row["path"])}), samples.values.to_numpy()
            pitch = np.asarray(track.values, np.float32)
            utterance, pitch, failure = self._encode(recording, audio, pitch, failure)
            utterances.append(utterance)
            tracks.append(pitch)
            failures.append(failure)
            seconds.append(len(audio) / self._codec.sample_rate)
        return (
            utterance_table(utterances, self._codec.dim, self._codec.frame_rate)
            .append_column("path", table["path"])
            .append_column("seconds", pa.array(seconds, pa.float64()))
            .append_column("failure", pa.array(failures, pa.string()))
            .append_column("pitch", pa.array(tracks, pa.list_(pa.float32())))
        )

    def _encode(
        self, recording: Recording, audio: NDArray[np.float32], pitch: NDArray[np.float32], failure: str
    ) -> tuple[Utterance, NDArray[np.float32], str]:
        """The utterance, its pitch track, and why both are empty, if they are."""
        from trainables.latents.encode_recording import encode_recording
        from trainables.latents.speech.acoustics import pitch_track

        if not failure:
            try:
                pitch = pitch if len(pitch) else pitch_track(audio, self._codec.sample_rate)
                return encode_recording(self._codec, recording, audio, pitch), pitch, ""
            except InputError as error:
                failure = str(error)
            except Exception as error:  # if one file breaks a codec, the others must not be lost
                failure = f"{type(error).__name__}: {error}"
        identity = (recording.utterance_id, recording.speaker_id, recording.split)
        track = np.empty(0, np.float32)
        empty = Utterance(*identity, np.empty((0, self._codec.dim), np.float32), track, track, track)
        return empty, track, failure


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
        if len(self._waiting) >= _PART or time.monotonic() - self._since > _PART_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the waiting utterances, if there are any, under the next free number."""
        if self._waiting:
            paths = (self._out / f"part-{number:05d}.parquet" for number in itertools.count())
            free = next(path for path in paths if not path.exists())
            with writing(free, 2 * sum(row.latents.size for row in self._waiting)):  # they are float16
                write_utterances(free, self._waiting, self._meta)
        self._waiting, self._since = [], time.monotonic()
