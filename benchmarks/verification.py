"""What it costs to compare latents with their checksums and digests as they are read:
``python -m benchmarks.verification [LATENTS]``.

All ways read the training split of the same files and touch every frame. Plain reading takes place twice, so
that its two figures say how far apart equals lie on this machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feeding import synthetic, touch
from benchmarks.timing import interleaved, machine
from trainables.latents.storage import latent_file
from trainables.latents.storage.dataset import FRAME_COLUMNS, LatentDataset, Split, open_dataset

_REPEATS = 15
_PLAIN = "neither"


def main() -> None:
    """Print seconds and processor seconds of each way, and their ratio to reading without a comparison."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else synthetic(Path(scratch))
        dataset = open_dataset(folder)
        spent: dict[str, list[float]] = {}
        ways = {name: partial(_timed, spent, name, way) for name, way in _ways(dataset).items()}
        elapsed = interleaved(ways, _REPEATS + 1)
    print(f"{machine()}\n{dataset.frames(Split.TRAIN)} training frames x {dataset.meta.dim}")
    for name in ways:
        ratios = [_ratio(seconds, name) for seconds in (elapsed, spent)]
        seconds = statistics.median(elapsed[name][1:])
        print(f"{name:32} {seconds:6.3f} s {ratios[0]:6.3f}   processor {ratios[1]:6.3f}")


def _ratio(seconds: dict[str, list[float]], name: str) -> float:
    """Median of the ratios within a round, of which the first warms up."""
    pairs = list(zip(seconds[name], seconds[_PLAIN], strict=True))[1:]
    return statistics.median(own / plain for own, plain in pairs)


def _timed(spent: dict[str, list[float]], name: str, way: Callable[[], None]) -> None:
    begun = time.process_time()
    way()
    spent.setdefault(name, []).append(time.process_time() - begun)


def _ways(dataset: LatentDataset) -> dict[str, Callable[[], None]]:
    def both() -> None:
        touch(dataset.tables(Split.TRAIN))

    return {
        _PLAIN: lambda: touch(_tables(dataset, checksums=False)),
        "neither, again": lambda: touch(_tables(dataset, checksums=False)),
        "checksums of pages": lambda: touch(_tables(dataset, checksums=True)),
        "checksums and digests of rows": both,
    }


def _tables(dataset: LatentDataset, checksums: bool) -> Iterator[pa.Table]:
    """What :meth:`LatentDataset.tables` reads, by the same steps but for what is asked about."""
    for file in dataset.opened:
        with pq.ParquetFile(file.path, page_checksum_verification=checksums) as parquet:
            pq.read_schema(file.path)
            index = parquet.read(latent_file.SCALAR_COLUMNS)
            end, tables = 0, []
            for group in range(parquet.num_row_groups):
                begin, end = end, end + parquet.metadata.row_group(group).num_rows
                own = [split == Split.TRAIN for split in index["split"].slice(begin, end - begin).to_pylist()]
                if any(own):
                    first = own.index(True)
                    rows = parquet.read_row_group(group, ["latents"]).slice(first, sum(own))
                    scalars = index.slice(begin + first, sum(own))
                    tables.append(
                        pa.table({n: (rows if n == "latents" else scalars)[n] for n in FRAME_COLUMNS})
                    )
        yield pa.concat_tables(tables)


if __name__ == "__main__":
    main()
