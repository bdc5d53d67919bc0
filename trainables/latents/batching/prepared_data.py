"""What is known of a feed's frames before anything is trained on them.

Shapes: S surrogates, N pairs of frames, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Moments, frame_pairs, pooled_moments

_CLIMATE = 64  # frames: the score of a forecast does not depend on their number in the mean


@dataclass(frozen=True)
class PreparedData:
    """Moments and example steps of a training feed, the same on every worker.

    Attributes:
        surrogates: names of the S surrogates that the feed holds.
        moments: of the real frames.
        pairs_2SND: frames and their successors within utterances, evenly spread over what all workers hold,
            on the CPU.
        device: where the feed keeps its frames.
    """

    surrogates: tuple[str, ...]
    moments: Moments
    pairs_2SND: Tensor
    device: torch.device

    @classmethod
    def from_feed(
        cls, feed: Feed, gather: Callable[[Any], list[Any]] = lambda value: [value]
    ) -> PreparedData:
        """Look through what a feed holds; of a stream that does not fit the device, through its next chunk.

        Args:
            feed: of this worker's utterances.
            gather: returns the values of all workers; all of them have to call at the same time.
        """
        shard = feed.shard(0)
        moments = pooled_moments(gather(shard.tallies()))
        return cls(feed.surrogates, moments, frame_pairs(shard, gather), shard.frames_SND.device)

    @property
    def dim(self) -> int:
        """Latent dimensions, D."""
        return self.pairs_2SND.shape[-1]

    def frames(self, surrogate: str) -> Tensor:
        """Example frames of one surrogate, those that the steps lead to: [N, D], on the CPU."""
        return self.pairs_2SND[1, self.surrogates.index(surrogate)]

    def climate(self) -> dict[str, Tensor]:
        """A few example frames of each surrogate, evenly spread: what climatology draws from, [S, D] each."""
        frames = {name: self.frames(name) for name in self.surrogates}
        return {name: f[:: max(1, len(f) // _CLIMATE)][:_CLIMATE] for name, f in frames.items()}

    def steps(self, surrogate: str) -> Tensor:
        """Example steps delta of one surrogate, [N, D], on the CPU."""
        now_SND, following_SND = self.pairs_2SND
        row = self.surrogates.index(surrogate)
        return following_SND[row] - now_SND[row]
