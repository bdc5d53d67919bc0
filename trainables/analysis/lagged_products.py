"""Sums of products of frames some steps apart: everything that a linear predictor needs of the data.

A case is a frame t with C - 1 frames before it and H after it in its utterance. For offsets p <= q within
that span the sums over all cases of z_{t+p} z_{t+q}^T are needed. Increasing both offsets by one changes such
a sum by one frame at each end of each utterance. So one pass over the data for each lag is enough, and exact,
where the normal equations would take one for each pair of offsets.

Shapes: N frames of all utterances end to end, U utterances, D dimensions, P offsets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True)
class LaggedProducts:
    """Sums over the cases of a piece of the data; those of several pieces add up.

    Attributes:
        count: number of cases.
        sums: of z_{t+p}, [D], by offset p.
        blocks: sums of z_{t+p} z_{t+q}^T, [D, D], by offsets p <= q.
    """

    count: int
    sums: dict[int, Tensor]
    blocks: dict[Pair, Tensor]

    def __add__(self, other: LaggedProducts) -> LaggedProducts:
        """The products of both pieces together."""
        return LaggedProducts(
            self.count + other.count,
            {p: value + other.sums[p] for p, value in self.sums.items()},
            {pair: value + other.blocks[pair] for pair, value in self.blocks.items()},
        )

    def mean(self, offsets: Sequence[int]) -> Tensor:
        """Mean of the frames at these offsets, one after the other: [P D]."""
        return torch.cat([self.sums[p] for p in offsets]) / self.count

    def covariance(self, left: Sequence[int], right: Sequence[int]) -> Tensor:
        """Covariance of the frames at ``left`` offsets with those at ``right`` ones: [P D, Q D]."""
        rows = [torch.cat([self._block(p, q) for q in right], 1) for p in left]
        return torch.cat(rows) / self.count - torch.outer(self.mean(left), self.mean(right))

    def _block(self, p: int, q: int) -> Tensor:
        return self.blocks[p, q] if p <= q else self.blocks[q, p].T


def lagged_products(
    frames_ND: Tensor, begins_U: np.ndarray, ends_U: np.ndarray, context: int, ahead: Sequence[int]
) -> LaggedProducts | None:
    """Products of the last frames with each other and with those ahead; None if no utterance is long enough.

    Of the frames ahead each is multiplied with itself, but not with the others.

    Args:
        frames_ND: float64, of the order of 1 and centred, because covariances are differences of these sums.
        begins_U: first frame of each utterance; utterances that are not listed are left out.
        ends_U: the frame after its last.
        context: number of the last frames, C, at least 1: the offsets 0, -1 ... 1 - C.
        ahead: offsets above 0, the largest of which is H.
    """
    span = context + max(ahead)  # frames of a case, its oldest first
    long = ends_U - begins_U >= span
    begins, ends = begins_U[long], ends_U[long]
    if not len(begins):
        return None
    rows = np.concatenate([np.arange(b, e - span + 1) for b, e in zip(begins, ends, strict=True)])
    oldest_N, first_U, last_U = map(torch.from_numpy, (rows, begins, ends - span))
    past = range(1 - context, 1)
    oldest = 1 - context
    wanted: dict[int, set[int]] = defaultdict(set)  # lag -> left offsets
    pairs = [(left, right) for left in past for right in (*range(left, 1), *ahead)]
    for left, right in (*pairs, *((q, q) for q in ahead)):
        wanted[right - left].add(left)
    blocks = {}
    for lag, lefts in wanted.items():
        total = frames_ND[oldest_N].T @ frames_ND[oldest_N + lag]
        for p in range(oldest, max(lefts) + 1):
            if p in lefts:
                blocks[p, p + lag] = total
            leaves, enters = first_U + (p - oldest), last_U + (p - oldest) + 1
            if p < max(lefts):
                total = total + frames_ND[enters].T @ frames_ND[enters + lag]
                total = total - frames_ND[leaves].T @ frames_ND[leaves + lag]
    sums = {p: frames_ND[oldest_N + (p - oldest)].sum(0) for p in (*past, *ahead)}
    return LaggedProducts(len(rows), sums, blocks)
