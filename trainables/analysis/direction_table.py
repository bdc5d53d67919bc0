"""Steps as arrays: their directions, the frames before them, and whose they are.

Shapes: N steps, U utterances, D latent dimensions, P frames of the past.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard

PAST = 4  # frames that a step has behind it, the one that it starts from included: P


@dataclass(frozen=True, kw_only=True)
class DirectionTable:
    """Steps of some utterances; those that do not move are left out.

    Attributes:
        utterances: ids, [U].
        speakers: of each utterance, [U].
        steps_U: how many steps each utterance has, the ones that were not taken included.
        owner_N: the utterance of each step. place_N: its place among the steps of its utterance; it starts
            from frame place + P - 1.
        unit_ND: directions. past_NI: the frames before, I = P x D, the nearest first.
    """

    utterances: list[str]
    speakers: list[str]
    steps_U: np.ndarray
    owner_N: np.ndarray
    place_N: np.ndarray
    unit_ND: np.ndarray
    past_NI: np.ndarray

    @classmethod
    def of(cls, shard: Shard, surrogate: int, spread: EvenShare | None = None) -> DirectionTable:
        """The steps of a shard in one of its surrogates, or those that ``spread`` takes of them."""
        frames_ND = shard.frames_SND[surrogate].float().cpu().numpy()
        steps_U = np.maximum(shard.lengths - PAST, 0)
        places = [
            np.arange(steps) if spread is None else spread.within(name)
            for name, steps in zip(shard.ids, steps_U, strict=True)
        ]
        owner_N = np.repeat(np.arange(len(places)), [len(own) for own in places])
        place_N = np.concatenate(places).astype(np.int64)
        now_N = shard.offsets[:-1][owner_N] + place_N + PAST - 1
        delta_ND = frames_ND[now_N + 1] - frames_ND[now_N]
        length_N = np.linalg.norm(delta_ND, axis=1)
        moves = length_N > 0
        now_N = now_N[moves]
        return cls(
            utterances=list(shard.ids),
            speakers=list(shard.speakers),
            steps_U=steps_U,
            owner_N=owner_N[moves],
            place_N=place_N[moves],
            unit_ND=delta_ND[moves] / length_N[moves, None],
            past_NI=np.concatenate([frames_ND[now_N - back] for back in range(PAST)], 1),
        )

    @classmethod
    def of_feed(cls, feed: Feed, surrogate: int, most: int) -> DirectionTable:
        """At most so many steps of a feed, evenly spread over all that it holds."""
        counts = {name: max(0, frames - PAST) for name, frames in feed.extent.lengths.items()}
        spread = EvenShare.at_most(counts, most)
        return cls._joined([cls.of(shard, surrogate, spread) for shard in feed.chunks()])

    @classmethod
    def _joined(cls, parts: Iterable[DirectionTable]) -> DirectionTable:
        parts = list(parts)
        firsts = np.cumsum([0, *(len(part.utterances) for part in parts)])
        owners = [part.owner_N + first for part, first in zip(parts, firsts, strict=False)]
        return cls(
            utterances=[name for part in parts for name in part.utterances],
            speakers=[name for part in parts for name in part.speakers],
            steps_U=np.concatenate([part.steps_U for part in parts]),
            owner_N=np.concatenate(owners),
            place_N=np.concatenate([part.place_N for part in parts]),
            unit_ND=np.concatenate([part.unit_ND for part in parts]),
            past_NI=np.concatenate([part.past_NI for part in parts]),
        )

    def of_speakers(self, names: Iterable[str]) -> np.ndarray:
        """Which steps are those of some speakers, [N]."""
        own = set(names)
        return np.array([speaker in own for speaker in self.speakers])[self.owner_N]

    @property
    def in_first_half(self) -> np.ndarray:
        """Which steps lie in the first half of their utterance, [N]."""
        return 2 * self.place_N < self.steps_U[self.owner_N]
