"""What probes of a representation share: standardised frames, which of them are cases, sums per speaker.

Shapes: N frames or cases, D dimensions, S speakers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.predictor.scores import Scores

_AT_ONCE = 8192
Figures = Mapping[str, tuple[Tensor, Tensor]]  # metric -> what each case adds above and below, [N] each


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of every dimension over the real training frames, [D] each."""

    mean_D: Tensor
    deviation_D: Tensor

    def standardised(self, frames: Tensor) -> Tensor:
        """Frames [..., D] of mean 0 and variance 1, float64."""
        return (frames.double() - self.mean_D) / self.deviation_D


def scale_of(train: Feed) -> Scale:
    """From all real training frames; a dimension that never changes keeps its unit."""
    total = torch.stack([t for shard in train.chunks() for t in shard.tallies().values()]).sum(0)
    dim = len(total) // 2
    mean_D = total[:dim] / total[-1]
    variance_D = (total[dim : 2 * dim] / total[-1] - mean_D.square()).clamp_min(0)
    return Scale(mean_D, torch.where(variance_D > 0, variance_D.sqrt(), 1.0))


def cases(shard: Shard, context: int, horizon: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Frames with ``context`` - 1 before and ``horizon`` after them in blocks [N], and their utterances."""
    place = np.arange(shard.offsets[-1]) - np.repeat(shard.offsets[:-1], shard.lengths)
    left = np.repeat(shard.lengths, shard.lengths) - 1 - place
    rows = np.flatnonzero((place >= context - 1) & (left >= horizon))
    owners = np.repeat(np.arange(len(shard.ids)), shard.lengths)
    for first in range(0, len(rows), _AT_ONCE):
        chosen = rows[first : first + _AT_ONCE]
        yield torch.from_numpy(chosen), owners[chosen]


def empty_scores(shard: Shard, frame_rate: float, horizon: int = 1) -> Scores:
    """Scores of the shard's speakers, nothing counted yet."""
    return Scores(sorted(set(shard.speakers)), frame_rate, horizon)


def tally(scores: Scores, shard: Shard, owner_N: np.ndarray, figures: Figures) -> None:
    """Add what each case gives to the sums of its speaker; ``owner_N`` are utterances of the shard."""
    row_of = np.array([scores.speakers.index(name) for name in shard.speakers])
    for name, parts in figures.items():
        for sums, values_N in zip((scores.sums, scores.counts), parts, strict=True):
            total_S = sums.setdefault(name, np.zeros(len(scores.speakers)))
            np.add.at(total_S, row_of[owner_N], values_N.double().numpy())


def too_short(which: str, frames: int) -> InputError:
    """Where no utterance makes a case."""
    return InputError(
        f"no {which} utterance has the {frames} frames that are looked at together; encode longer ones"
    )
