"""What it costs to compare latents with their checksums and digests as they are read:
``python -m benchmarks.verification [LATENTS]``.

All ways read the training split of the same files and touch every frame. Digests are computed in turn with
reading or, as it is done, in a thread while the next rows are read. The last two go on to what training reads
for, frames of float32 on the device. Plain reading takes place twice, so that its two figures say how far
apart equals lie on this machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.feeding import synthetic, touch
from benchmarks.timing import interleaved, machine
from trainables.latents.batching.shard import Shard
from trainables.latents.storage import latent_file
from trainables.latents.storage.dataset import FRAME_COLUMNS, LatentDataset, Split, open_dataset

_REPEATS = 15
_PLAIN, _PLAIN_SHARD = "neither", "into a shard, neither"


def main() -> None:
    """Print the seconds of each way, and the ratios of time and of processor time to plain reading."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else synthetic(Path(scratch))
        dataset = open_dataset(folder)
        spent: dict[str, list[float]] = {}
        ways = {name: partial(_timed, spent, name, way) for name, way in _ways(dataset).items()}
        elapsed = interleaved(ways, _REPEATS + 1)
    print(f"{machine()}\n{dataset.frames(Split.TRAIN)} training frames x {dataset.meta.dim}")
    for name in ways:
        plain = _PLAIN_SHARD if "shard" in name else _PLAIN
        # Of the fastest rounds, as other work only ever adds; the first warms up.
        ratios = [min(seconds[name][1:]) / min(seconds[plain][1:]) for seconds in (elapsed, spent)]
        print(f"{name:32} {min(elapsed[name]):6.3f} s {ratios[0]:6.3f}   processor {ratios[1]:6.3f}")


def _timed(spent: dict[str, list[float]], name: str, way: Callable[[], object]) -> None:
    begun = time.process_time()
    way()
    spent.setdefault(name, []).append(time.process_time() - begun)


def _ways(dataset: LatentDataset) -> dict[str, Callable[[], object]]:
    shard = partial(Shard.from_tables, rms=dataset.rms, lattice_step=None, dtype=torch.float32)
    return {
        _PLAIN: lambda: touch(_tables(dataset)),
        "neither, again": lambda: touch(_tables(dataset)),
        "checksums of pages": lambda: touch(_tables(dataset, checksums=True)),
        "digests of rows, in turn": lambda: touch(_tables(dataset, digests=True)),
        "digests of rows, as it is done": lambda: touch(dataset.tables(Split.TRAIN)),
        _PLAIN_SHARD: lambda: shard(_tables(dataset)),
        "into a shard, as it is done": lambda: shard(dataset.tables(Split.TRAIN)),
    }


def _tables(dataset: LatentDataset, checksums: bool = False, digests: bool = False) -> Iterator[pa.Table]:
    """What :meth:`LatentDataset.tables` reads, by the same steps but for the comparison."""
    reader = partial(pq.ParquetFile, page_checksum_verification=checksums)
    for file in dataset.opened:
        with mock.patch.object(latent_file.pq, "ParquetFile", reader):
            tables = []
            for piece in file.pieces(FRAME_COLUMNS, Split.TRAIN):
                if digests:
                    file.refuse_changed(piece)
                tables.append(piece.rows.select(FRAME_COLUMNS))
        yield pa.concat_tables(tables)


if __name__ == "__main__":
    main()
