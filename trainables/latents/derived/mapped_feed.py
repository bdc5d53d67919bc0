"""What a bottleneck is trained on: a feed's frames, passed through the maps before it, held on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.derived.maps import Map, apply_maps


class MappedFeed:
    """The shards of a feed after ``maps``; the feed gives frames in the base's units, so its ``rms`` is 1."""

    def __init__(self, feed: Feed, maps: Sequence[Map], device: torch.device | str = "cpu") -> None:
        self._feed, self._maps, self._device = feed, tuple(maps), torch.device(device)
        self._source: Shard | None = None
        self._mapped: Shard | None = None

    @property
    def in_chunks(self) -> bool:
        """Whether an epoch trains on one chunk of several."""
        return self._feed.in_chunks

    def chunk_ids(self, epoch: int) -> Sequence[str]:
        """Ids of all workers' utterances among which an epoch's are, sorted."""
        return self._feed.chunk_ids(epoch)

    def shard(self, epoch: int) -> Shard:
        """What an epoch trains on; mapped once for as long as the feed keeps the same shard."""
        return self._mapped_once(self._feed.shard(epoch))

    def chunks(self) -> Iterator[Shard]:
        """All data once, in pieces that fit the feed's budget."""
        yield from map(self._mapped_once, self._feed.chunks())

    def _mapped_once(self, shard: Shard) -> Shard:
        if self._mapped is None or shard is not self._source:
            self._source, self._mapped = shard, _mapped_shard(shard, self._maps, self._device)
        return self._mapped


def _mapped_shard(shard: Shard, maps: Sequence[Map], device: torch.device) -> Shard:
    frames_ND, spans = shard.frames_SND[0], zip(shard.offsets[:-1], shard.offsets[1:], strict=True)
    if not maps:
        return Shard(frames_ND[None].to(device), shard.offsets, shard.ids, shard.speakers)
    parts = [apply_maps(maps, frames_ND[begin:end].cpu().numpy()) for begin, end in spans]
    made = torch.from_numpy(np.concatenate(parts)).to(device=device, dtype=frames_ND.dtype)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return Shard(made[None], offsets, shard.ids, shard.speakers)
