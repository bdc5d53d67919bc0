"""A stream of Arrow batches as shards on a device: all at once, or in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import torch

from trainables.latents.batching.planted import PlantWorld
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import LatentDataset, latent_frames

_MOST_BYTES = 4 << 30  # of frames that are kept on the device


class Feed:
    """A stream of Arrow batches, kept on the device if all of it fits, and otherwise read chunk by chunk.

    Args:
        open_stream: opens the stream, at its beginning.
        rms: by which frames are divided.
        lattice_step: of the codec, for the dither; None where its latents lie on no lattice.
        frame_rate: of the latents, Hz.
        ids: of the utterances of all workers; None where this one holds them all.
        surrogates: which are made of each utterance, "real" being the utterance itself.
        plants: the processes of planted surrogates.
        device: on which the frames will lie.
        dtype: of the frames there.
        budget_bytes: how much of the device frames may take.
    """

    def __init__(
        self,
        open_stream: Callable[[], Iterable[pa.Table | pa.RecordBatch]],
        *,
        rms: float,
        lattice_step: float | None,
        frame_rate: float,
        ids: Sequence[str] | None = None,
        surrogates: Sequence[Surrogate] = (Surrogate.REAL,),
        plants: Mapping[Surrogate, PlantWorld] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        budget_bytes: int = _MOST_BYTES,
    ) -> None:
        self.frame_rate = frame_rate
        self.surrogates = tuple(surrogates)
        self._ids = ids
        self._open = open_stream
        self._shard_of = partial(
            Shard.from_tables,
            rms=rms,
            lattice_step=lattice_step,
            surrogates=surrogates,
            plants=plants,
            device=device,
            dtype=dtype,
        )
        self._bytes_per_value = (torch.finfo(dtype).bits // 8) * len(surrogates)
        self._budget = budget_bytes
        self._resident: Shard | None = None
        self._passing: Iterator[Shard] = iter(())

    @classmethod
    def from_dataset(cls, dataset: LatentDataset, *splits: str, **settings: Any) -> Feed:
        """The feed of some splits of a dataset that lies on this machine; ``settings`` as for the class."""
        return cls(
            lambda: (table for split in splits for table in dataset.tables(split) if len(table)),
            rms=dataset.rms,
            lattice_step=dataset.meta.lattice_step,
            frame_rate=dataset.meta.frame_rate,
            **settings,
        )

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the utterances of all workers, sorted; their order decides which slot each belongs to."""
        return sorted(self._ids) if self._ids is not None else self.shard(0).ids

    def shard(self, epoch: int) -> Shard:
        """What an epoch trains on: everything if it fits the budget, otherwise the next chunk of the stream.

        Raises:
            InputError: the stream holds no utterance.
        """
        if self._resident is not None:
            return self._resident
        chunk = next(self._passing, None)
        if chunk is None:
            self._passing = self.chunks()
            chunk = next(self._passing)
        return chunk if self._resident is None else self._resident

    def chunks(self) -> Iterator[Shard]:
        """All data once, in chunks that fit the budget.

        Raises:
            InputError: the stream holds no utterance.
        """
        if self._resident is not None:
            yield self._resident
            return
        waiting: list[pa.Table | pa.RecordBatch] = []
        size, pieces = 0, 0
        for table in self._open():
            needed = len(latent_frames(table["latents"])[0].reshape(-1)) * self._bytes_per_value
            if waiting and size + needed > self._budget:
                yield self._shard_of(waiting)
                waiting, size, pieces = [], 0, pieces + 1
            waiting.append(table)
            size += needed
        last = self._shard_of(waiting)
        if pieces == 0:
            self._resident = last
        yield last
