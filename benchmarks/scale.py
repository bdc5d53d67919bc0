"""What one pass over a corpus costs as it grows beyond memory, on one worker and on two.

    python -m benchmarks.scale --hours 1 10 100 --workers 1 2

Synthetic latents of each size are written (512 dimensions at 12.5 Hz, about 90 MB an hour in main memory as
float32, less than half of that on disk), a tiny predictor is trained on each for one epoch, which is a pass
over all training frames, by the very path of a sweep, and then they are deleted. Before training, the same
job looks through all frames once, for their moments and example steps. Printed are seconds, also those of
processors, training frames per second, the share of training that waited for data, the peak memory of driver
and workers, bytes read, and the exponent of each in the size of the corpus: 1 is proportional, 0 is
independent of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.timing import machine
from orchestrator.execution.ray_tune import Task, pack_resources, run_pack, run_packs
from orchestrator.execution.search import FixedPacks, PackSearcher
from orchestrator.planning.pack import Pack
from orchestrator.records.phase import Phase
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.descendants import descendants
from orchestrator.runtime.ray_cluster import connected
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import LatentMeta, Split, Utterance, open_dataset, write_utterances

DIM, RATE, SECONDS = 512, 12.5, (8, 16)  # of an utterance
_PER_FILE, _PER_SPEAKER = 256, 64
_HELD_OUT = {
    Split.VALIDATION: 3,
    Split.TEST: 4,
}  # speakers of each; few, so that the pass is what is measured
_PREDICTOR: dict[str, Any] = {
    "head": "gaussian",
    "coordinates": "raw",
    "width": 16,
    "context": 16,
    "rollout": 16,
    "window": 64,
    "batch": 32,
    "teacher_epochs": 1,
    "rollout_epochs": 0,
    "objective": "-nll",
    "seed": 0,
}
_SECONDS_BETWEEN_LOOKS = 0.5
MIB = 1 << 20


class Seen(NamedTuple):
    """What a process has taken: the kind it is of, peak memory and bytes read in MiB, processor seconds."""

    name: str = "other"
    peak: float = 0.0
    read: float = 0.0
    processor: float = 0.0


@dataclass
class Watcher:
    """Keeps what a pack reports of its epochs."""

    epochs: list[Mapping[str, Any]] = field(default_factory=list)

    def started(self, pack: Pack) -> None:
        """Nothing is kept of a start."""

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        """Keep the figures of an epoch."""
        self.epochs.append(progress)

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        """The losses of the lanes' last epochs."""
        return [result["history"][-1]["loss"] for result in results]


def main() -> None:
    """Measure each size with each number of workers, in processes of their own, and print a table."""
    arguments = _parser().parse_args()
    if arguments.folder:
        print(json.dumps(train(Path(arguments.folder), arguments.workers[0])))
        return
    print(machine())
    rows: dict[int, list[dict[str, float]]] = {workers: [] for workers in arguments.workers}
    for hours in arguments.hours:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            began = time.perf_counter()
            frames = write(Path(folder), hours)
            size = sum(path.stat().st_size for path in Path(folder).glob("*.parquet"))
            seconds = time.perf_counter() - began
            print(f"{hours:g} h: {frames} frames, {size >> 20} MiB, written in {seconds:.0f} s", flush=True)
            for workers in arguments.workers:
                rows[workers].append({"hours": hours, "size": size / MIB, **measured(folder, workers)})
                print(_line(workers, rows[workers][-1]), flush=True)
    for workers, own in rows.items():
        for one, other in pairwise(own):
            print(f"{workers} workers, {one['hours']:g} to {other['hours']:g} h: {_exponents(one, other)}")


def write(folder: Path, hours: float) -> int:
    """Latents of so many hours of training speakers, and of a few others; returns the training frames."""
    rng = np.random.default_rng(0)
    meta = LatentMeta("synthetic", DIM, RATE, None, "", None, "", None)
    pool = rng.standard_normal((1 << 16, DIM), dtype=np.float32).astype(np.float16)
    lengths = [int(n) for n in rng.integers(*(round(RATE * s) for s in SECONDS), size=round(hours * 300))]
    splits = [split for split, speakers in _HELD_OUT.items() for _ in range(speakers * _PER_SPEAKER // 4)]
    asked = [Split.TRAIN] * len(lengths) + splits
    lengths += [150] * len(splits)
    for first in range(0, len(asked), _PER_FILE):
        rows = []
        for number in range(first, min(first + _PER_FILE, len(asked))):
            split, frames = asked[number], lengths[number]
            begin = int(rng.integers(len(pool) - frames))
            unknown = np.full(frames, np.nan, np.float32)
            # A trend of its own in each utterance, so that frames are not those of another.
            latents = pool[begin : begin + frames] * np.float16(rng.uniform(0.5, 1.5))
            per_speaker = _PER_SPEAKER if split == Split.TRAIN else _PER_SPEAKER // 4
            speaker = f"{split}-{number // per_speaker:05d}"
            rows.append(Utterance(f"u{number:07d}", speaker, split, latents, unknown, unknown, unknown))
        write_utterances(folder / f"part-{first:07d}.parquet", rows, meta)
    return sum(n for n, split in zip(lengths, asked, strict=True) if split == Split.TRAIN)


def train(folder: Path, workers: int) -> dict[str, float]:
    """The figures of one epoch on the latents of a folder, by the path of a sweep."""
    from orchestrator.datasets.ray_latents import RayLatents

    dataset, watcher = open_dataset(folder), Watcher()
    pack = Pack(Phase.EXPLORE, "tiny", 0, (0,), (LaneConfig.of(_PREDICTOR),))
    searcher = PackSearcher([FixedPacks([pack])], watcher, limit=1)
    with tempfile.TemporaryDirectory() as scratch, connected(None, state_api=workers > 1) as cluster:
        latents = RayLatents.of(dataset, (Split.TRAIN, Split.VALIDATION))
        task = Task(
            latents={"": latents},
            evaluation=Split.VALIDATION,
            depot=CheckpointStore(Path(scratch)),
            scratch=str(Path(scratch) / "train"),
        )
        began = time.perf_counter()
        if workers == 1:
            for split in latents.ids:
                latents.read(split)
            run_packs(searcher, run_pack, task, pack_resources(cluster), Path(scratch))
        else:
            from dataclasses import replace

            from orchestrator.execution.ray_train import driver_resources, run_pack_on_workers, worker_cpus

            task = replace(task, workers=workers, worker_cpus=worker_cpus(cluster, workers))
            run_packs(searcher, run_pack_on_workers, task, driver_resources(), Path(scratch))
        seconds = time.perf_counter() - began
    (epoch,) = watcher.epochs
    return {
        "seconds": seconds,
        "training": epoch["seconds"],
        "waited": epoch["seconds_waited"],
        "frames_per_second": epoch["frames_per_second"],
    }


def measured(folder: str, workers: int) -> dict[str, float]:
    """What :func:`train` returns from a process of its own, with the peaks of that and of all below it."""
    command = [sys.executable, "-m", "benchmarks.scale", "--folder", folder, "--workers", str(workers)]
    seen: dict[int, Seen] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for number in (process.pid, *descendants(process.pid)):
                with suppress(OSError, KeyError):  # one that is gone, or about to be
                    seen[number] = _looked_at(number, seen.get(number, Seen()))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        out = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"training on {folder} with {workers} workers ended with {process.returncode}")
    processor = sum(own.processor for own in seen.values())
    driver = seen.pop(process.pid)
    of_kind = {
        kind: max((own.peak for own in seen.values() if own.name == kind), default=0.0)
        for kind in ("worker", "reader", "other")
    }
    read = sum(own.read for own in seen.values() if own.name == "reader")
    figures: dict[str, float] = json.loads(out.splitlines()[-1])
    return {**figures, "processor": processor, "driver": driver.peak, **of_kind, "read": read}


def _looked_at(number: int, before: Seen) -> Seen:
    """What a process has taken so far; Ray names a process by its task."""
    name, place = before.name, Path("/proc") / str(number)
    line = (place / "cmdline").read_text()
    if "rows_of_files" in line or "ReadLatent" in line:
        name = "reader"
    elif "RayTrainWorker" in line or "run_pack" in line or "ImplicitFunc" in line:
        name = name if name == "reader" else "worker"
    status = dict(row.split(":", 1) for row in (place / "status").read_text().splitlines() if ":" in row)
    read = dict(row.split(":", 1) for row in (place / "io").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    ticks = (place / "stat").read_text().rpartition(")")[2].split()[11:13]  # in user and in system mode
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return Seen(name, max(peak, before.peak), int(read["rchar"]) / MIB, seconds)


def _line(workers: int, row: Mapping[str, float]) -> str:
    waiting = 100 * row["waited"] / row["training"]
    return (
        f"  {workers} workers: {row['seconds']:6.0f} s, {row['processor']:6.0f} s of processors; training "
        f"{row['training']:6.0f} s at {row['frames_per_second']:8.0f} frames/s, waiting {waiting:4.1f} %; "
        f"peak MiB: driver {row['driver']:5.0f}, worker {row['worker']:5.0f}, reader {row['reader']:5.0f}, "
        f"other {row['other']:5.0f}; read {row['read']:7.0f} MiB, {row['read'] / row['size']:.1f} times all"
    )


def _exponents(one: Mapping[str, float], other: Mapping[str, float]) -> str:
    def of(name: str) -> str:
        if not (one[name] > 0 and other[name] > 0):
            return f"{name} -"
        return f"{name} {math.log(other[name] / one[name]) / math.log(other['hours'] / one['hours']):.2f}"

    return ", ".join(map(of, ("seconds", "processor", "driver", "worker", "reader", "read")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scratch", help="folder for the latents; 100 hours take 4 GB")
    parser.add_argument("--folder", help="latents that exist: one run on them, and a line of JSON")
    return parser


if __name__ == "__main__":
    main()
