"""What a probe finds where the answer is known: the frames of all speakers in random order.

Frames shuffled within an utterance still tell who speaks, and how loudly; these tell nothing. Whatever
frames look like, a Gaussian regression must then find no information, and a dNLL of -(D/2) ln 2, since the
covariance of a step is twice that of a frame. The direction cosine of the best predictor, delta = mean - z_t,
depends on how unequal the norms of frames are: 1/sqrt(2) where they are equal, less otherwise.

Shapes: N frames, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from trainables.analysis.linear_probe import Asked, Horizon, probe
from trainables.analysis.probe_cases import Scale
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import Scores

_FRAMES = 50_000  # of which the known cosine is a mean


@dataclass(frozen=True)
class Independent:
    """What was found, and what there is to find."""

    scores: Scores
    dnll: float  # nats per frame
    cosine: float  # of the best predictor on training frames

    @classmethod
    def of(cls, train: Feed, held_out: Feed, scale: Scale, context: int) -> Independent:
        """Probe both sides in random order, ``context`` frames at a time.

        Raises:
            InputError: no utterance of one side is longer than the context.
        """
        found = probe(_Mixed(train), _Mixed(held_out), scale, Horizon((context,), (1,)))
        return cls(
            found[Asked(Surrogate.REAL, context, 1)],
            -len(scale.mean_D) / 2 * math.log(2),
            _cosine(train, scale),
        )


class _Mixed(Feed):
    """The real frames of a feed, exchanged between all utterances of a chunk, whose lengths stay."""

    def __init__(self, feed: Feed) -> None:
        self.frame_rate, self.surrogates, self._feed = feed.frame_rate, (Surrogate.REAL,), feed

    def chunks(self) -> Iterator[Shard]:
        for number, shard in enumerate(self._feed.chunks()):
            order = _order(shard, number)
            yield Shard(shard.frames_SND[:1, order], shard.offsets, shard.ids, shard.speakers)


def _order(shard: Shard, seed: int) -> torch.Tensor:
    return torch.randperm(int(shard.offsets[-1]), generator=torch.Generator().manual_seed(seed))


def _cosine(train: Feed, scale: Scale) -> float:
    shard = next(train.chunks())
    frames_ND = scale.standardised(shard.frames_SND[0][_order(shard, 0)[: 2 * _FRAMES]])
    now_ND, then_ND = frames_ND[0::2][: len(frames_ND) // 2], frames_ND[1::2]
    return float(F.cosine_similarity(-now_ND, then_ND - now_ND, dim=-1).mean())
