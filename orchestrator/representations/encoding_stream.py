"""Speech to latent Parquet with Ray Data: read and resample, encode on actors, write parts as they arrive."""

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

_BLOCK = 8  # recordings that travel together at most, and one step of the progress
_BLOCKS = 8  # per actor at least: one that is done early waits for no more than such a share of the work
_PART = 256  # utterances of a Parquet file, at most
_PART_SECONDS = 60.0  # how long an utterance waits to be written: what a killed run can lose
# Of actors with a GPU: readers must find room beside them, or the stream stands still.
_READ_CPUS, _ENCODE_CPUS = 0.25, 0.75


# Pitch of utterances by id: the most expensive of their columns, for a fast codec more than half of all
# work, and the same for all codecs. An hour of speech takes 0.9 MB.
PitchTracks = MutableMapping[str, NDArray[np.float32]]


class Encoded(NamedTuple):
    """What became of some recordings: those encoded, and those that could not be, each with its reason."""

    utterances: int
    seconds: float  # of speech in them
    failures: list[tuple[Path, str]]


def encode_recordings(
    recordings: Sequence[Recording],
    codec: Codec,
    meta: LatentMeta,
    out: Path,
    cluster: Cluster,
    pitch: PitchTracks | None = None,
) -> Generator[Encoded]:
    """Encode recordings into Parquet files in ``out``, some at a time as the caller asks for the next.

    Utterances that ``pitch`` holds are not listened to again, and those that it does not are added to it.
    Whatever ends the iteration, an interrupt included, what has been encoded by then is on disk.
    """
    part = _Part(out, meta)
    stream = _stream(recordings, codec, cluster, {} if pitch is None else pitch)
    try:
        for table in stream:
            fates = table.select(["path", "seconds", "failure"]).to_pylist()
            encoded = [not fate["failure"] for fate in fates]
            part.add(table_utterances(table.filter(pa.array(encoded))))
            if pitch is not None:
                pitch.update(_heard(table))
            yield Encoded(
                sum(encoded),
                sum(fate["seconds"] for fate in fates if not fate["failure"]),
                [(Path(fate["path"]), fate["failure"]) for fate in fates if fate["failure"]],
            )
    finally:
        part.write()
        stream.close()
        wait_for_executors()


def _heard(table: pa.Table) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """Pitch tracks as copies: a view would hold the whole table, latents and all, in Ray's memory."""
    pairs = zip(table["utterance_id"].to_pylist(), table["pitch"], strict=True)
    return ((name, pitch.values.to_numpy().copy()) for name, pitch in pairs if len(pitch))


def _stream(
    recordings: Sequence[Recording], codec: Codec, cluster: Cluster, pitch: PitchTracks
) -> Generator[Any]:
    """Arrow tables of utterances, as they come, and beside them path, seconds, failure and pitch."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    gpus = cluster.gpus if codec.uses_gpu else 0
    actors = max(1, min(gpus or cluster.cpus, len(recordings)))
    blocks = min(len(recordings), max(-(-len(recordings) // _BLOCK), _BLOCKS * actors))
    ends = [number * len(recordings) // blocks for number in range(blocks + 1)]
    dataset = ray.data.from_arrow([_table(recordings[a:b], pitch) for a, b in itertools.pairwise(ends)])
    if gpus:  # which must not wait for a disk; cores read for themselves: more processes only start later
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
    """What is known before anything is read; a pitch track of no values is not known."""
    rows = [asdict(recording) | {"path": str(recording.path.absolute())} for recording in recordings]
    known = [pitch.get(recording.utterance_id, np.empty(0, np.float32)) for recording in recordings]
    return pa.Table.from_pylist(rows).append_column("pitch", pa.array(known, pa.list_(pa.float32())))


def _read(table: pa.Table, sample_rate: int) -> pa.Table:
    """Adds audio, at the codec's sample rate, and failure: why there is none."""
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
        utterances, failures, seconds, heard = [], [], [], []
        rows = table.select(["utterance_id", "speaker_id", "split", "path"]).to_pylist()
        columns = table["audio"], table["pitch"], table["failure"].to_pylist()
        for row, samples, track, failure in zip(rows, *columns, strict=True):
            recording, audio = Recording(**row | {"path": Path(row["path"])}), samples.values.to_numpy()
            pitch = np.asarray(track.values, np.float32)
            utterance, pitch, failure = self._encode(recording, audio, pitch, failure)
            utterances.append(utterance)
            heard.append(pitch)
            failures.append(failure)
            seconds.append(len(audio) / self._codec.sample_rate)
        return (
            utterance_table(utterances, self._codec.dim, self._codec.frame_rate)
            .append_column("path", table["path"])
            .append_column("seconds", pa.array(seconds, pa.float64()))
            .append_column("failure", pa.array(failures, pa.string()))
            .append_column("pitch", pa.array(heard, pa.list_(pa.float32())))
        )

    def _encode(
        self, recording: Recording, audio: NDArray[np.float32], pitch: NDArray[np.float32], failure: str
    ) -> tuple[Utterance, NDArray[np.float32], str]:
        """Utterance, pitch track, and why there is neither."""
        from trainables.latents.encode_recording import encode_recording
        from trainables.latents.speech.acoustics import pitch_track

        if not failure:
            try:
                pitch = pitch if len(pitch) else pitch_track(audio, self._codec.sample_rate)
                return encode_recording(self._codec, recording, audio, pitch), pitch, ""
            except InputError as error:
                failure = str(error)
            except Exception as error:  # whatever one file does to a codec, the others must not be lost
                failure = f"{type(error).__name__}: {error}"
        who = (recording.utterance_id, recording.speaker_id, recording.split)
        track = np.empty(0, np.float32)
        nothing = Utterance(*who, np.empty((0, self._codec.dim), np.float32), track, track, track)
        return nothing, track, failure


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
