"""What it costs to feed an epoch through Ray Data, against reading the same files with nothing but pyarrow:
``python -m benchmarks.feeding [LATENTS]``.

Every way ends where a shard begins: at the frames of all training utterances, as views of Arrow buffers,
each of them touched.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import interleaved, machine
from orchestrator.runtime.ray_cluster import connected
from trainables.latents.storage.dataset import (
    FRAME_COLUMNS,
    LatentDataset,
    LatentMeta,
    Utterance,
    latent_frames,
    open_dataset,
    write_utterances,
)

_UTTERANCES, _FRAMES, _DIM = 2000, (200, 800), 64
_PER_FILE = 256  # as encoding writes them
_REPEATS = 7


def main() -> None:
    """Print frames per second of each way, and its share of what pyarrow alone reaches."""
    with tempfile.TemporaryDirectory() as scratch, connected(None):
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else synthetic(Path(scratch))
        dataset = open_dataset(folder)
        seconds = interleaved(_ways(dataset), _REPEATS + 1)
    frames = dataset.frames("train")
    print(f"{machine()}\n{frames} training frames x {dataset.meta.dim} in {len(dataset.files)} files")
    rates = {name: frames / statistics.median(own[1:]) for name, own in seconds.items()}  # the first warms up
    for name, rate in rates.items():
        print(f"{name:32} {rate / 1e6:7.2f} M frames/s {rate / rates['pyarrow']:6.2f} of pyarrow")


def _ways(dataset: LatentDataset) -> dict[str, Callable[[], None]]:
    import ray

    from orchestrator.datasets.ray_latents import RayLatents, open_rows

    def stored() -> None:
        """What a pack on an actor does."""
        latents = RayLatents.of(dataset, ("train",))
        latents.read("train")
        touch(ray.get(block) for block in latents.blocks["train"])

    def streamed() -> None:
        """What a worker of Ray Train does."""
        rows = open_rows(RayLatents.of(dataset, ("train",)), "train")
        touch(rows.iter_batches(batch_format="pyarrow", batch_size=None))

    def alone() -> None:
        filters = [("split", "==", "train")]
        touch(pq.read_table(file, columns=FRAME_COLUMNS, filters=filters) for file in dataset.files)

    return {"Ray Data, kept in the store": stored, "Ray Data, streamed": streamed, "pyarrow": alone}


def touch(tables: Iterable[pa.Table]) -> None:
    """Look at every frame of some tables."""
    for table in tables:
        if len(table):
            latent_frames(table["latents"])[0].view(np.uint16).max()


def synthetic(folder: Path) -> Path:
    """A folder of noise, which compresses badly, as latents do."""
    rng = np.random.default_rng(0)
    meta = LatentMeta("noise", _DIM, 50.0, None, "", None, "", None)
    for first in range(0, _UTTERANCES, _PER_FILE):
        rows = [_utterance(number, rng) for number in range(first, min(first + _PER_FILE, _UTTERANCES))]
        write_utterances(folder / f"part-{first:05d}.parquet", rows, meta)
    return folder


def _utterance(number: int, rng: np.random.Generator) -> Utterance:
    speaker = number // 20
    split = {0: "validation", 1: "test"}.get(speaker % 10, "train")
    frames = int(rng.integers(*_FRAMES))
    unknown = np.full(frames, np.nan, np.float32)
    latents = rng.standard_normal((frames, _DIM), dtype=np.float32)
    return Utterance(f"u{number:05d}", f"s{speaker:03d}", split, latents, unknown, unknown, unknown)


if __name__ == "__main__":
    main()
