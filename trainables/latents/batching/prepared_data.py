"""What is known of a feed's frames before anything is trained on them.

Shapes: S surrogates, N pairs of frames, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Moments, Shard, summed

_MOST_PAIRS = 20_000  # about so many are taken
_CLIMATE = 64  # frames: the score of a forecast does not depend on their number in the mean


class FramePairs:
    """About 20,000 frames and the frame that follows each, on the CPU.

    They are evenly spread over the utterances of all workers, and every worker gets the same ones, in the
    order of the utterances' ids.

    Attributes:
        pairs_2SND: the pairs of the chunks that have been added, each in its place.

    Args:
        lengths: frames of every utterance of all workers, by id.
        gather: returns the values of all workers.
    """

    def __init__(
        self, lengths: Mapping[str, int], gather: Callable[[Any], list[Any]] = lambda value: [value]
    ) -> None:
        counts = {name: max(0, frames - 1) for name, frames in lengths.items()}
        self._spread = EvenShare(counts, max(1, sum(counts.values()) // _MOST_PAIRS))
        self._gather = gather
        self.pairs_2SND = torch.empty(0)

    def add(self, shard: Shard) -> None:
        """Take what there is to take of a chunk; all workers have to call at the same time."""
        if self.pairs_2SND.dim() == 1:
            surrogates, _, dim = shard.frames_SND.shape
            self.pairs_2SND = torch.empty(2, surrogates, self._spread.size, dim, dtype=shard.frames_SND.dtype)
        held = {}
        for begin, name in zip(shard.offsets, shard.ids, strict=False):
            rows = torch.from_numpy(self._spread.within(name)).to(shard.frames_SND.device) + int(begin)
            if len(rows):
                both = torch.stack([shard.frames_SND[:, rows], shard.frames_SND[:, rows + 1]])
                held[name] = both.cpu().numpy()
        for part in self._gather(held):
            for name, both in part.items():
                self.pairs_2SND[:, :, self._spread.places(name)] = torch.from_numpy(both)


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
        """Look through all that a feed holds, chunk by chunk; at a second call nothing is read again.

        Args:
            feed: of this worker's utterances.
            gather: returns the values of all workers; all of them have to call at the same time.
        """
        if "prepared" not in feed.kept:
            feed.kept["prepared"] = cls._looked_through(feed, gather)
        prepared: PreparedData = feed.kept["prepared"]
        return prepared

    @classmethod
    def _looked_through(cls, feed: Feed, gather: Callable[[Any], list[Any]]) -> PreparedData:
        lengths = {name: n for part in gather(dict(feed.extent.lengths)) for name, n in part.items()}
        pairs = FramePairs(lengths, gather)
        total = None
        for shard in feed.chunks():
            of_chunk = summed(gather(shard.tallies()))
            total = of_chunk if total is None else total + of_chunk
            pairs.add(shard)
        assert total is not None  # a feed without utterances raises
        return cls(feed.surrogates, Moments.of(total), pairs.pairs_2SND, feed.device)

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
