"""Which training windows make up a batch: the same ones, however many workers share it.

Shapes: L lanes, B windows of a batch, M windows of the richest slot.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.shard import Shard


class Slots:
    """The slots of a batch that a worker fills, and the windows that each may draw.

    Slot j draws from the training utterances whose place in the sorted ids is j modulo the batch size, or, of
    a chunk, from the j-th part of them, which were stored together; where none of these is as long as a
    window, it draws from all. So a batch is the same however many workers share it, and a worker that fills
    some of the slots holds no utterance of another one.

    Args:
        shard: what this worker holds, see :func:`worker_utterances`.
        ids: of the training utterances of all workers that are trained on together, sorted.
        batch: number of slots.
        frames: length of a window.
        rank: of this worker, r.
        world_size: number of workers, W.
        chunk: whether the utterances are one chunk of several.

    Raises:
        InputError: no utterance is as long as a window.
    """

    def __init__(
        self,
        shard: Shard,
        ids: Sequence[str],
        batch: int,
        frames: int,
        rank: int,
        world_size: int,
        *,
        chunk: bool = False,
    ) -> None:
        self.owned = owned_slots(batch, rank, world_size, chunk=chunk)
        row = {utterance_id: i for i, utterance_id in enumerate(shard.ids)}
        tables = []
        for slot in self.owned.tolist():
            rows = [row[i] for i in _slot_utterances(ids, batch, slot, chunk) if i in row]
            starts = _starts(shard, rows, frames)
            tables.append(starts if len(starts) else _starts(shard, range(len(shard.ids)), frames))
        if not all(len(table) for table in tables):
            raise InputError(
                f"no training utterance is as long as context + rollout = {frames} frames; "
                "shorten --rollout or encode longer utterances"
            )
        self.counts_B = torch.tensor([len(t) for t in tables], dtype=torch.float64)
        widest = max(len(t) for t in tables)
        self.starts_BM = torch.from_numpy(np.stack([np.resize(t, widest) for t in tables]))

    def starts(self, uniform_LB: Tensor) -> Tensor:
        """First frames of this worker's windows, [L, owned slots].

        Args:
            uniform_LB: draws in [0, 1) for the slots of all workers.
        """
        uniform = uniform_LB[:, torch.as_tensor(self.owned)].double()
        picked = (uniform * self.counts_B).long()
        return self.starts_BM.gather(1, picked.T).T


def owned_slots(batch: int, rank: int, world_size: int, *, chunk: bool = False) -> np.ndarray:
    """The slots that worker ``rank`` of ``world_size`` fills: every W-th or, of a chunk, adjacent ones."""
    slots = np.arange(batch)
    return np.array_split(slots, world_size)[rank] if chunk else slots[rank::world_size]


def worker_utterances(
    ids: Sequence[str],
    batch: int,
    rank: int,
    world_size: int,
    lengths: Mapping[str, int] | None = None,
    frames: int = 0,
    *,
    chunk: bool = False,
) -> list[str]:
    """Ids of the training utterances that worker ``rank`` of ``world_size`` draws windows from, sorted.

    They are those of its slots, and all where one of these slots has none that is as long as a window.

    Args:
        ids: of the training utterances of all workers that are trained on together.
        batch: number of slots.
        rank: of this worker.
        world_size: number of workers.
        lengths: frames of every utterance, by id; None where all are long enough.
        frames: length of a window.
        chunk: whether the utterances are one chunk of several.

    Raises:
        InputError: the batch cannot be shared out evenly.
    """
    if batch % world_size:
        raise InputError(
            f"batch {batch} cannot be shared by {world_size} workers; use a number of workers that divides it"
        )
    ids = sorted(ids)
    owned = owned_slots(batch, rank, world_size, chunk=chunk).tolist()
    slots = [_slot_utterances(ids, batch, slot, chunk) for slot in owned]
    if lengths is not None and any(max(lengths[i] for i in slot) < frames for slot in slots):
        return ids
    return sorted({i for slot in slots for i in slot})


def held_out_share(ids: Sequence[str], rank: int, world_size: int, *, chunk: bool) -> Sequence[str]:
    """Those of some ids, sorted, that worker ``rank`` of ``world_size`` scores.

    They are every W-th or, of a chunk, adjacent ones; chunks with less than one for each worker take turns.
    """
    if chunk and len(ids) >= world_size:
        return ids[rank * len(ids) // world_size : (rank + 1) * len(ids) // world_size]
    first = zlib.crc32(ids[0].encode()) if chunk else 0
    return ids[(rank + first) % world_size :: world_size]


def _slot_utterances(ids: Sequence[str], batch: int, slot: int, chunk: bool) -> Sequence[str]:
    """The utterances of a slot, out of sorted ``ids``; where there are fewer than slots, slots share them."""
    if len(ids) < batch:
        return [ids[slot % len(ids)]]
    return ids[slot * len(ids) // batch : (slot + 1) * len(ids) // batch] if chunk else ids[slot::batch]


def _starts(shard: Shard, rows: Iterable[int], frames: int) -> np.ndarray:
    runs = [np.arange(shard.offsets[row], shard.offsets[row + 1] - frames + 1) for row in rows]
    return np.concatenate([np.empty(0, np.int64), *runs]).astype(np.int64)
