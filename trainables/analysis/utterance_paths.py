"""Utterances of a feed as paths that are held in memory, as many as there is room for, and windows of them.

Shapes: T frames of an utterance or a window, N frames of all U utterances, B windows, D latent dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate

_MOST_NUMBERS = 64_000_000  # of frames that are held


def utterance_paths(shard: Shard, row: int) -> list[Tensor]:
    """The frames [T, D] of each utterance in one surrogate, float64."""
    frames_ND = shard.frames_SND[row].double().cpu()
    return [frames_ND[a:b] for a, b in zip(shard.offsets[:-1], shard.offsets[1:], strict=True)]


def long_paths(feed: Feed, surrogate: Surrogate, fewest: int) -> list[Tensor]:
    """Paths [T, D] of a feed in one surrogate, as many as are held at once, none shorter than ``fewest``."""
    room, found = _MOST_NUMBERS // feed.dim, list[Tensor]()
    for shard in feed.chunks():
        for path in utterance_paths(shard, feed.surrogates.index(surrogate)):
            if len(path) >= fewest and room > 0:
                found.append(path)
                room -= len(path)
    return found


@dataclass(frozen=True)
class PathWindows:
    """Utterances end to end, each at least as long as a window, and the windows that they hold.

    Attributes:
        frames_ND: of all of them.
        first_U: where each utterance begins.
        room_U: how many windows it holds.
        window: frames of one.
    """

    frames_ND: Tensor
    first_U: Tensor
    room_U: Tensor
    window: int

    @classmethod
    def of(cls, paths: list[Tensor], window: int) -> PathWindows:
        """Those of some paths [T, D]."""
        lengths = torch.tensor([len(path) for path in paths], dtype=torch.long)
        return PathWindows(
            torch.cat(paths).float(), lengths.cumsum(0) - lengths, lengths - window + 1, window
        )

    def drawn(self, count: int, rng: torch.Generator) -> Tensor:
        """First frames [B] of random windows, each as likely as any other."""
        ends_U = self.room_U.cumsum(0)
        draws = torch.randint(int(ends_U[-1]), (count,), generator=rng)
        owner = torch.searchsorted(ends_U, draws, right=True)
        return self.first_U[owner] + draws - (ends_U[owner] - self.room_U[owner])

    def windows(self, starts_B: Tensor) -> Tensor:
        """Windows [B, T, D] that begin at some frames."""
        return self.frames_ND[starts_B[:, None] + torch.arange(self.window)]
