"""Sums of products of frames some steps apart: all that a linear predictor needs to know of the data.

A case is a frame t with C - 1 frames before it and H after it in its utterance. For offsets p <= q within
that span the sums over all cases of z_{t+p} z_{t+q}^T are needed, and moving both offsets on by one changes
such a sum by one frame at either end of each utterance. So a pass over the data per lag is enough, where the
normal equations would take one per pair of offsets, and it is exact.

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
class Products:
    """Sums over cases; those of several pieces of the data add up."""

    count: int
    sums: dict[int, Tensor]  # offset -> sum of z_{t+p}, [D]
    blocks: dict[Pair, Tensor]  # offsets p <= q -> sum of z_{t+p} z_{t+q}^T, [D, D]

    def __add__(self, other: Products) -> Products:
        """Of both pieces together."""
        return Products(
            self.count + other.count,
            {p: value + other.sums[p] for p, value in self.sums.items()},
            {pair: value + other.blocks[pair] for pair, value in self.blocks.items()},
        )

    def mean(self, offsets: Sequence[int]) -> Tensor:
        """Of the frames at these offsets, end to end: [P D]."""
        return torch.cat([self.sums[p] for p in offsets]) / self.count

    def covariance(self, left: Sequence[int], right: Sequence[int]) -> Tensor:
        """Of the frames at some offsets with those at others: [P D, Q D]."""
        rows = [torch.cat([self._block(p, q) for q in right], 1) for p in left]
        return torch.cat(rows) / self.count - torch.outer(self.mean(left), self.mean(right))

    def _block(self, p: int, q: int) -> Tensor:
        return self.blocks[p, q] if p <= q else self.blocks[q, p].T


def lagged_products(
    frames_ND: Tensor, begins_U: np.ndarray, ends_U: np.ndarray, context: int, ahead: Sequence[int]
) -> Products | None:
    """Products of the last ``context`` frames with each other and with the frames ``ahead``, and of each of
    those with itself; None where no utterance is long enough.

    Args:
        frames_ND: float64, of the order of 1 and centred, since covariances are differences of these sums.
        begins_U: where each utterance begins, and ``ends_U`` where it ends; others are left out.
        context: C, at least 1; offsets 0, -1 ... 1 - C.
        ahead: offsets above 0; H is the largest.
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
    return Products(len(rows), sums, blocks)
