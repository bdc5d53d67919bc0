"""Keys and values that a transformer remembers of the frames it has read, with room for those to come.

Shapes: B windows, N attention heads, S frames so far, T new frames, R frames that there is room for, E units
of an attention head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node


class KeyValueCache:
    """What one block remembers. Its tensors are the leaves of a pytree, so that runs can be branched.

    Frames are written behind those that are there, into room that doubles when it is used up: appending
    copies no earlier frame but then. Two caches may share their room as long as they are not used in turn.
    """

    def __init__(self, keys_BNRE: Tensor, values_BNRE: Tensor, frames: int) -> None:
        self._keys, self._values, self.frames = keys_BNRE, values_BNRE, frames

    @classmethod
    def of(cls, k_BNTE: Tensor, v_BNTE: Tensor) -> KeyValueCache:
        """A cache of the first frames."""
        return cls(k_BNTE, v_BNTE, k_BNTE.shape[2])

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Keys and values, [B, N, S, E] each."""
        return self._keys[:, :, : self.frames], self._values[:, :, : self.frames]

    def with_more(self, k_BNTE: Tensor, v_BNTE: Tensor) -> KeyValueCache:
        """The cache with further frames."""
        frames = self.frames + k_BNTE.shape[2]
        if torch.is_grad_enabled():  # what was read is needed on the way back: nothing is written over it
            keys, values = (torch.cat(pair, 2) for pair in zip(self.tensors, (k_BNTE, v_BNTE), strict=True))
            return KeyValueCache(keys, values, frames)
        keys, values = (_with_room(part, self.frames, frames) for part in (self._keys, self._values))
        keys[:, :, self.frames : frames] = k_BNTE
        values[:, :, self.frames : frames] = v_BNTE
        return KeyValueCache(keys, values, frames)


def _with_room(part_BNRE: Tensor, used: int, needed: int) -> Tensor:
    """The same tensor, or a copy of what is used of it with more room, where it has too little."""
    windows, heads, room, units = part_BNRE.shape
    if needed <= room:
        return part_BNRE
    larger = part_BNRE.new_empty(windows, heads, max(needed, 2 * room), units)
    larger[:, :, :used] = part_BNRE[:, :, :used]
    return larger


def _flatten(cache: KeyValueCache) -> tuple[list[Tensor], Any]:
    return list(cache.tensors), None


def _unflatten(tensors: Any, context: Any) -> KeyValueCache:
    return KeyValueCache.of(*tensors)


register_pytree_node(KeyValueCache, _flatten, _unflatten)
