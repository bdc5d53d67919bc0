"""What all probes of a representation need: standardised frames, cases among them, and sums per speaker.

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
from trainables.latents.batching.shard import Shard, summed
from trainables.predictor.scores import Scores

_AT_ONCE = 8192  # cases
# By metric, what each case adds above and below a fraction, [N] each.
Figures = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each dimension over the real training frames, [D] each, float64."""

    mean_D: Tensor
    deviation_D: Tensor

    def standardised(self, frames: Tensor) -> Tensor:
        """Frames [..., D] shifted and scaled to mean 0 and variance 1, float64."""
        return (frames.double() - self.mean_D) / self.deviation_D


def scale_of(train: Feed) -> Scale:
    """The scale of all real training frames; a dimension that never changes keeps its unit."""
    # Chunk by chunk: the tallies of all utterances together would not be small.
    total = torch.stack([summed([shard.tallies()]) for shard in train.chunks()]).sum(0)
    dim = len(total) // 2
    mean_D = total[:dim] / total[-1]
    variance_D = (total[dim : 2 * dim] / total[-1] - mean_D.square()).clamp_min(0)
    return Scale(mean_D, torch.where(variance_D > 0, variance_D.sqrt(), 1.0))


def cases(shard: Shard, context: int, horizon: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Blocks of the frames that have ``context`` - 1 before and ``horizon`` after them in their utterance.

    Yields:
        Rows of the shard and the utterance of each, [N] each.
    """
    place = np.arange(shard.offsets[-1]) - np.repeat(shard.offsets[:-1], shard.lengths)
    left = np.repeat(shard.lengths, shard.lengths) - 1 - place
    rows = np.flatnonzero((place >= context - 1) & (left >= horizon))
    owners = np.repeat(np.arange(len(shard.ids)), shard.lengths)
    for first in range(0, len(rows), _AT_ONCE):
        chosen = rows[first : first + _AT_ONCE]
        yield torch.from_numpy(chosen), owners[chosen]


def empty_scores(shard: Shard, frame_rate: float, horizon: int = 1) -> Scores:
    """Scores of the shard's speakers, in which nothing has been counted."""
    return Scores(sorted(set(shard.speakers)), frame_rate, horizon)


def tally_cases(scores: Scores, shard: Shard, owner_N: np.ndarray, figures: Figures) -> None:
    """Add the figures of cases to the sums and counts of their speakers.

    Args:
        scores: that are changed.
        shard: whose cases they are.
        owner_N: the utterance of each case.
        figures: of each case.
    """
    row_of = np.array([scores.speakers.index(name) for name in shard.speakers])
    for name, parts in figures.items():
        for sums, values_N in zip((scores.sums, scores.counts), parts, strict=True):
            total_S = sums.setdefault(name, np.zeros(len(scores.speakers)))
            np.add.at(total_S, row_of[owner_N], values_N.double().numpy())


def too_short(which: str, frames: int) -> InputError:
    """The error to raise where no utterance has a case of so many ``frames``; ``which`` names the feed."""
    return InputError(
        f"no {which} utterance has the {frames} frames that a probe sees together; encode longer ones"
    )
