"""A stream of Arrow batches as shards on a device: all at once, or chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import torch

from trainables.errors import InputError
from trainables.latents.batching.background import Background, one_ahead
from trainables.latents.batching.chunks import Chunks
from trainables.latents.batching.planted import PlantWorld
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import LatentDataset, latent_frames

Tables = Iterable[pa.Table | pa.RecordBatch]
_MOST_BYTES = 2 << 30  # of frames that are held at once
NO_UTTERANCE = "no utterance reached this shard; encode more utterances or use fewer workers"


class Share(Protocol):
    """What tells a worker which utterances are its own."""

    def __call__(self, ids: Sequence[str], /, *, chunk: bool) -> Sequence[str]:
        """Those of some ids, sorted, that this worker holds; ``chunk``: whether they are one of several."""


class Extent(NamedTuple):
    """How much there is of the utterances of all workers.

    Attributes:
        lengths: frames of every utterance, by id.
        dim: latent dimensions, D.
    """

    lengths: Mapping[str, int]
    dim: int


class Feed:
    """A stream of Arrow batches, kept on the device if all of it fits, and otherwise read chunk by chunk.

    What a chunk holds and when it comes depend on the extent of the data, on the budget and on the seed: on
    no worker, and on nothing that was read before.

    Args:
        open_stream: opens the stream, at its beginning.
        rms: by which frames are divided.
        lattice_step: of the codec, for the dither; None where its latents lie on no lattice.
        frame_rate: of the latents, Hz.
        extent: of the utterances of all workers; None where this one holds them all, and has to count them.
        share: takes the ids of a chunk, sorted, and whether there are several; returns the ids that this
            worker holds. None stands for all.
        open_some: opens the stream of some utterances; None where the whole one is read and the others are
            left out.
        surrogates: which are made of each utterance, "real" being the utterance itself.
        plants: the processes of planted surrogates.
        device: on which the frames will lie.
        dtype: of the frames there.
        budget_bytes: how much the frames of all workers may take at once.
        seed: of the chunks and their order.
    """

    def __init__(
        self,
        open_stream: Callable[[], Tables],
        *,
        rms: float,
        lattice_step: float | None,
        frame_rate: float,
        extent: Extent | None = None,
        share: Share | None = None,
        open_some: Callable[[Sequence[str]], Tables] | None = None,
        surrogates: Sequence[Surrogate] = (Surrogate.REAL,),
        plants: Mapping[Surrogate, PlantWorld] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        budget_bytes: int = _MOST_BYTES,
        seed: int = 0,
    ) -> None:
        self.frame_rate = frame_rate
        self.surrogates = tuple(surrogates)
        self.device = torch.device(device)
        self.seconds_waited = 0.0  # for chunks that training had to have
        self.kept: dict[str, Any] = {}  # what others know of these frames, so that it is worked out once
        self._open, self._open_some, self._share, self._extent = open_stream, open_some, share, extent
        self._shard_of = partial(
            Shard.from_tables,
            rms=rms,
            lattice_step=lattice_step,
            surrogates=surrogates,
            plants=plants,
            dtype=dtype,
        )
        self._bytes_per_value = (torch.finfo(dtype).bits // 8) * len(surrogates)
        self._budget, self._seed = budget_bytes, seed
        self._resident: Shard | None = None
        self._next: tuple[int, Background[Shard]] | None = None

    @classmethod
    def from_dataset(cls, dataset: LatentDataset, *splits: str, **settings: Any) -> Feed:
        """The feed of some splits of a dataset that lies on this machine; ``settings`` as for the class."""

        def tables(ids: Collection[str] | None = None) -> Tables:
            return (table for split in splits for table in dataset.tables(split, ids) if len(table))

        return cls(
            tables,
            open_some=tables,
            extent=Extent(dataset.lengths(*splits), dataset.meta.dim),
            rms=dataset.rms,
            lattice_step=dataset.meta.lattice_step,
            frame_rate=dataset.meta.frame_rate,
            **settings,
        )

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the utterances of all workers, sorted; their order decides which slot each belongs to."""
        return sorted(self.extent.lengths)

    @property
    def held_ids(self) -> list[str]:
        """Ids of the utterances that this worker reads in a pass, sorted."""
        return sorted(i for number in range(len(self.chunks_of_all)) for i in self._own(number))

    @property
    def extent(self) -> Extent:
        """How much there is of the utterances of all workers.

        Raises:
            InputError: the stream has to be counted, and holds no utterance.
        """
        if self._extent is None:
            self._extent = self._counted()
        return self._extent

    @property
    def dim(self) -> int:
        """Latent dimensions, D."""
        return self.extent.dim

    @cached_property
    def chunks_of_all(self) -> Chunks:
        """The chunks of all workers, and their order."""
        frame_bytes = self.extent.dim * self._bytes_per_value
        return Chunks.of(self.extent.lengths, frame_bytes, self._budget, self._seed)

    @property
    def in_chunks(self) -> bool:
        """Whether there are several chunks."""
        return len(self.chunks_of_all) > 1

    def chunk_ids(self, visit: int, frames: int = 1) -> Sequence[str]:
        """Ids of all workers' utterances in the chunk that comes at a visit, see :meth:`shard`; sorted."""
        return self.chunks_of_all.ids[self.chunks_of_all.visited(visit, frames)]

    def shard(self, visit: int, frames: int = 1) -> Shard:
        """What is trained on at a visit: everything if it fits the budget, otherwise a chunk.

        The same visit gets the same chunk whenever it is asked for.

        Args:
            visit: counted from 0.
            frames: that an utterance has to have; chunks without one are left out.

        Raises:
            InputError: the stream holds no utterance.
        """
        number, began = self.chunks_of_all.visited(visit, frames), time.perf_counter()
        if self._resident is None:
            ready, self._next = self._next, None
            shard = ready[1].result() if ready and ready[0] == number else self._loaded(number)
            shard = self._placed(shard)
        else:
            shard = self._resident
        self.seconds_waited += time.perf_counter() - began
        return shard

    def ahead(self, visit: int, frames: int = 1) -> None:
        """Begin to read what a visit will ask for, in a thread."""
        number = self.chunks_of_all.visited(visit, frames)
        if self.in_chunks:
            self._next = number, Background(lambda: self._loaded(number))

    def chunks(self) -> Iterator[Shard]:
        """All data that this worker holds, once, in chunks that fit the budget, one of them read ahead.

        Raises:
            InputError: there is no utterance.
        """
        own = [number for number in range(len(self.chunks_of_all)) if self._own(number)]
        if not own:
            raise InputError(NO_UTTERANCE)
        if not self.in_chunks:
            yield self._resident if self._resident is not None else self._placed(self._loaded(0))
            return
        yield from map(self._placed, one_ahead(partial(self._loaded, number) for number in own))

    def _own(self, number: int) -> Sequence[str]:
        ids = self.chunks_of_all.ids[number]
        return ids if self._share is None else self._share(ids, chunk=self.in_chunks)

    def _loaded(self, number: int) -> Shard:
        """A chunk in main memory; the only one there is goes to the device at once."""
        own, alone = self._own(number), not self.in_chunks
        if not own:
            raise InputError(NO_UTTERANCE)
        lengths = {i: self.extent.lengths[i] for i in own}
        return self._shard_of(
            self._tables(own, all_of_them=alone and self._share is None),
            lengths=lengths,
            device=self.device if alone else "cpu",
        )

    def _placed(self, shard: Shard) -> Shard:
        shard = shard.to(self.device)
        if not self.in_chunks:
            self._resident = shard
        return shard

    def _tables(self, ids: Sequence[str], *, all_of_them: bool) -> Tables:
        if all_of_them:
            return self._open()
        if self._open_some is not None:
            return self._open_some(ids)
        wanted = pa.array(ids, pa.string())
        return (table.filter(pc.is_in(table["utterance_id"], wanted)) for table in self._open() if len(table))

    def _counted(self) -> Extent:
        """The extent of the stream; what fits the budget is kept, so that it is not read again."""
        lengths: dict[str, int] = {}
        waiting: list[pa.Table | pa.RecordBatch] | None = []
        size, dim = 0, 0
        for table in self._open():
            if not len(table):
                continue
            frames, offsets = latent_frames(table["latents"])
            dim = frames.shape[1]
            lengths |= zip(
                table["utterance_id"].to_pylist(), (offsets[1:] - offsets[:-1]).tolist(), strict=True
            )
            size += frames.size * self._bytes_per_value
            waiting = None if size > self._budget or waiting is None else [*waiting, table]
        if not lengths:
            raise InputError(NO_UTTERANCE)
        if waiting is not None:
            self._resident = self._shard_of(waiting, device=self.device)
        return Extent(lengths, dim)
