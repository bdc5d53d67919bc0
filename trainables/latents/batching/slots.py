"""Which training windows make up a batch, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.shard import Shard


class Slots:
    """Which windows make up a batch: slot j draws from the training utterances whose rank is j modulo the
    batch size.

    The rule fixes every batch whatever the number of workers, and a worker that owns the slots r, r + W, r +
    2W ... needs to hold no utterance of another slot.
    """

    def __init__(
        self, shard: Shard, ids: Sequence[str], batch: int, frames: int, rank: int, world_size: int
    ) -> None:
        self.owned = np.arange(rank, batch, world_size)
        row = {utterance_id: i for i, utterance_id in enumerate(shard.ids)}
        tables = []
        for slot in self.owned.tolist():
            rows = [row[i] for i in _slot_utterances(ids, batch, slot) if i in row]
            own = _starts(shard, rows, frames)
            tables.append(own if len(own) else _starts(shard, range(len(shard.ids)), frames))
        if not all(len(table) for table in tables):
            raise InputError(
                f"no training utterance is as long as context + rollout = {frames} frames; "
                "shorten --rollout or encode longer utterances"
            )
        self.counts_B = torch.tensor([len(t) for t in tables], dtype=torch.float64)
        widest = max(len(t) for t in tables)
        self.starts_BM = torch.from_numpy(np.stack([np.resize(t, widest) for t in tables]))

    def starts(self, uniform_LB: Tensor) -> Tensor:
        """First frames [L, B_owned] from uniform draws in [0, 1) for all slots [L, B]."""
        own = uniform_LB[:, torch.as_tensor(self.owned)].double()
        picked = (own * self.counts_B).long()
        return self.starts_BM.gather(1, picked.T).T


def worker_utterances(ids: Sequence[str], batch: int, rank: int, world_size: int) -> list[str]:
    """The training utterances that worker ``rank`` of ``world_size`` draws windows from.

    Raises:
        InputError: the batch cannot be shared out evenly.
    """
    if batch % world_size:
        raise InputError(
            f"batch {batch} cannot be shared by {world_size} workers; use a number of workers that divides it"
        )
    ids = sorted(ids)
    return sorted({i for slot in range(rank, batch, world_size) for i in _slot_utterances(ids, batch, slot)})


def _slot_utterances(ids: Sequence[str], batch: int, slot: int) -> Sequence[str]:
    """``ids`` sorted. With fewer utterances than slots, slots share them."""
    return ids[slot::batch] if len(ids) >= batch else [ids[slot % len(ids)]]


def _starts(shard: Shard, rows: Iterable[int], frames: int) -> np.ndarray:
    runs = [np.arange(shard.offsets[row], shard.offsets[row + 1] - frames + 1) for row in rows]
    return np.concatenate([np.empty(0, np.int64), *runs]).astype(np.int64)
