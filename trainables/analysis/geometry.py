"""The geometry of frames and of their steps: sizes, memory, and how many dimensions they fill.

Shapes: N frames, D dimensions, U utterances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables.analysis.probe_cases import Scale, cases, empty_scores, tally_cases
from trainables.latents.batching.feed import Feed
from trainables.predictor.scores import Scores, merge

LAGS = (1, 2, 4, 8)  # frames
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_SHARE = 0.9  # of the variance, by which dimensions are counted


@dataclass(frozen=True)
class Geometry:
    """The geometry of all frames of a feed, in the codec's units.

    Attributes:
        scores: per speaker ``norm``, the mean |z|, ``delta_norm``, the mean |delta|, ``delta_cosine``, that
            of successive deltas, and ``autocorrelation_L`` at each lag L of :data:`LAGS`, averaged over
            dimensions.
        norm_quantiles: of |z|, at :data:`QUANTILES`.
        delta_norm_quantiles: of |delta|, at :data:`QUANTILES`.
        eigenvalues: of the covariance of z, descending, [D].
        delta_eigenvalues: of the covariance of delta, descending, [D].
    """

    scores: Scores
    norm_quantiles: list[float]
    delta_norm_quantiles: list[float]
    eigenvalues: np.ndarray
    delta_eigenvalues: np.ndarray


def geometry(feed: Feed, scale: Scale, rms: float) -> Geometry:
    """The geometry of a feed's real frames, which were divided by ``rms``; ``scale`` standardises them."""
    parts: list[Scores] = []
    norms: list[Tensor] = []
    delta_norms: list[Tensor] = []
    moments = [_Moments(), _Moments()]
    for shard in feed.chunks():
        frames_ND = shard.frames_SND[0].double() * rms
        z_ND = scale.standardised(shard.frames_SND[0])  # an autocorrelation weighs all dimensions alike
        scores = empty_scores(shard, feed.frame_rate)
        for now_N, owner_N in cases(shard, 1, 0):
            norms.append(frames_ND[now_N].norm(dim=-1))
            moments[0].add(frames_ND[now_N])
            tally_cases(scores, shard, owner_N, {"norm": _mean_of(norms[-1])})
        for now_N, owner_N in cases(shard, 1, 1):
            delta_ND = frames_ND[now_N + 1] - frames_ND[now_N]
            delta_norms.append(delta_ND.norm(dim=-1))
            moments[1].add(delta_ND)
            tally_cases(scores, shard, owner_N, {"delta_norm": _mean_of(delta_norms[-1])})
        for now_N, owner_N in cases(shard, 2, 1):
            before, after = frames_ND[now_N] - frames_ND[now_N - 1], frames_ND[now_N + 1] - frames_ND[now_N]
            cosine = F.cosine_similarity(before, after, dim=-1)
            tally_cases(scores, shard, owner_N, {"delta_cosine": _mean_of(cosine)})
        for lag in LAGS:
            for now_N, owner_N in cases(shard, 1, lag):
                product = (z_ND[now_N] * z_ND[now_N + lag]).mean(-1)
                tally_cases(scores, shard, owner_N, {f"autocorrelation_{lag}": _mean_of(product)})
        parts.append(scores)
    return Geometry(
        merge(parts),
        np.quantile(torch.cat(norms).numpy(), QUANTILES).tolist(),
        np.quantile(torch.cat(delta_norms).numpy(), QUANTILES).tolist(),
        *(covariance.eigenvalues() for covariance in moments),
    )


def effective_rank(eigenvalues: np.ndarray) -> float:
    """The exponential of the entropy of the eigenvalues' shares: D where all are equal, 1 where there is one.

    O. Roy, M. Vetterli, "The effective rank: a measure of effective dimensionality", 2007.
    """
    shares = eigenvalues[eigenvalues > 0] / eigenvalues[eigenvalues > 0].sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def dimensions_holding(eigenvalues: np.ndarray, share: float = _SHARE) -> int:
    """Number of the largest eigenvalues that add up to ``share`` of the variance."""
    held = np.cumsum(np.sort(eigenvalues)[::-1]) / eigenvalues.sum()
    return int(np.searchsorted(held, share - 1e-12) + 1)


class _Moments:
    """Count, sum and sum of products of rows, added up block by block."""

    def __init__(self) -> None:
        self._count, self._sum, self._products = 0, torch.zeros(()), torch.zeros(())

    def add(self, rows_ND: Tensor) -> None:
        self._count += len(rows_ND)
        self._sum = self._sum + rows_ND.sum(0)
        self._products = self._products + rows_ND.T @ rows_ND

    def eigenvalues(self) -> np.ndarray:
        mean_D = self._sum / self._count
        covariance = self._products / self._count - torch.outer(mean_D, mean_D)
        return torch.linalg.eigvalsh(covariance).clamp_min(0).flip(0).numpy()


def _mean_of(values_N: Tensor) -> tuple[Tensor, Tensor]:
    return values_N, torch.ones_like(values_N)
