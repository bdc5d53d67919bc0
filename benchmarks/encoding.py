"""Encoding as `encode` does it, on Ray, against the codec alone on the same cores and the same audio:
``python -m benchmarks.encoding SOURCE [FOLDER OF LYRA V2]``.

The codec alone is a process per core, its audio in memory; both ways count from when all processes are warm.
Beside seconds stands processor time, which other work on the machine disturbs less, and which includes all of
Ray's processes. What acoustic tracks would take, which nothing waits for, stands in the last line. Mimi and
EnCodec have random weights, which take the same time.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import machine, processor_time
from orchestrator.representations.encoding_stream import encode_recordings
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.runtime.threads import use_one_thread
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.codecs.random_weights import WRITERS, write_random_weights
from trainables.latents.speech.corpus import Recording, find_corpus

_RECORDINGS = {"soundstream": 128, "logmel": 128, "mimi-12.5": 8, "encodec": 8}  # codec -> how many, of 12 s
_REPEATS = 3


class Cost(NamedTuple):
    """Of one second of speech: seconds on all cores together, and seconds of processor time."""

    wall: float
    processor: float


def main() -> None:
    """Print both ways' rates, their ratio, and what the processor time goes into."""
    corpus = find_corpus(Path(sys.argv[1]))
    lyra = sys.argv[2] if len(sys.argv) > 2 else None
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        for name, count in _RECORDINGS.items():
            if name != "soundstream" or lyra is not None:
                weights = lyra if name == "soundstream" else _weights(name, Path(scratch))
                _compare(name, weights, corpus.first(count), Path(scratch))


def _compare(name: str, weights: str | None, recordings: Sequence[Recording], scratch: Path) -> None:
    cores = min(len(os.sched_getaffinity(0)), len(recordings) // 2)
    shares = [[str(r.path) for r in recordings[i::cores]] for i in range(cores)]
    spawn = multiprocessing.get_context("spawn")
    alone, whole, starts, parts = [], [], [], []
    with connected(None) as cluster, ProcessPoolExecutor(cores, spawn, _settle, (name, weights)) as pool:
        for repeat in range(_REPEATS):
            found = list(pool.map(_alone, shares))
            alone.append(_together([cost for cost, _ in found]))
            parts += [split for _, split in found]
            cost, start = _whole(name, weights, recordings, scratch / f"{name}-{repeat}", cluster)
            whole.append(cost)
            starts.append(start)
    _report(name, alone, whole, starts, parts)


def _report(
    name: str,
    alone: list[Cost],
    whole: list[Cost],
    starts: list[float],
    parts: list[dict[str, float]],
) -> None:
    """Ratios are of the medians."""
    (wall, bare), (path_wall, path) = (
        (statistics.median(cost.wall for cost in ways), statistics.median(cost.processor for cost in ways))
        for ways in (alone, whole)
    )
    print(
        f"{name}: alone {1 / wall:.1f} x real time; all actors were warm in {statistics.median(starts):.0f} s"
    )
    ratios = f"ratio {wall / path_wall:.2f}, of processor time {bare / path:.2f}"
    print(f"  by encode {1 / path_wall:.1f}: {ratios}")
    split = {part: statistics.median(own[part] for own in parts) for part in parts[0]}
    reading, tracks = split["reading"], split["tracks"]
    shares = {"codec": bare, "reading": reading, "Ray, tables and files": path - bare - reading}
    print("  " + ", ".join(f"{part} {value / path:.0%}" for part, value in shares.items()))
    print(f"  acoustic tracks, on demand: {tracks / bare:.1f} times the codec's processor time", flush=True)


# The codec alone, in a process per core


def _settle(name: str, weights: str | None) -> None:
    use_one_thread()
    _HELD["codec"] = load_codec(name, weights)


_HELD: dict[str, Any] = {}


def _alone(paths: list[str]) -> tuple[Cost, dict[str, float]]:
    """The codec's cost, and the processor time of what else an utterance takes, per second of speech."""
    from trainables.latents.encode_recording import read_audio
    from trainables.latents.speech.acoustic_tracks import measure

    codec = _HELD["codec"]
    rate = codec.sample_rate
    audio = [read_audio(Path(path), rate) for path in paths]
    seconds = sum(map(len, audio)) / rate
    codec.encode(audio[0][:rate])  # loads the model
    measure(Path(paths[0]))
    began, used = time.perf_counter(), time.process_time()
    for samples in audio:
        codec.encode(samples)
    cost = Cost((time.perf_counter() - began) / seconds, (time.process_time() - used) / seconds)

    def spent(function: Callable[[Any], object], inputs: Sequence[Any]) -> float:
        used = time.process_time()
        for value in inputs:
            function(value)
        return (time.process_time() - used) / seconds

    return cost, {
        "reading": spent(lambda path: read_audio(Path(path), rate), paths),
        "tracks": spent(lambda path: measure(Path(path)), paths[:4]) * len(paths) / len(paths[:4]),
    }


def _together(costs: Sequence[Cost]) -> Cost:
    """Of processes side by side: their rates add up, their processor time is the mean."""
    return Cost(1 / sum(1 / cost.wall for cost in costs), statistics.fmean(cost.processor for cost in costs))


# The whole way


def _whole(
    name: str,
    weights: str | None,
    recordings: Sequence[Recording],
    out: Path,
    cluster: Cluster,
) -> tuple[Cost, float]:
    """The cost once each actor has handed in a block, and the seconds until then."""
    codec = load_codec(name, weights)
    meta = meta_of(codec)
    began, marks, speech = time.perf_counter(), [], 0.0
    with closing(encode_recordings(recordings, codec, meta, out, cluster)) as steps:
        for number, encoded in enumerate(steps, start=1):
            if encoded.failures:
                raise SystemExit(f"not encoded: {encoded.failures[0]}")
            speech += encoded.seconds if number > cluster.cpus else 0.0
            if number >= cluster.cpus:
                marks.append((time.perf_counter(), processor_time()))
    (first, used), (last, used_last) = marks[0], marks[-1]
    return Cost((last - first) / speech, (used_last - used) / speech), first - began


def _weights(name: str, scratch: Path) -> str | None:
    family = name.split("-")[0]
    return str(write_random_weights(family, scratch / family)) if family in WRITERS else None


if __name__ == "__main__":
    main()
