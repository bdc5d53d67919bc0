"""Whether similar contexts are followed by similar steps: the variance of the next step within clusters.

Clusters of contexts, and their mean steps, are those of training speakers; a held-out context belongs to the
nearest one. The variance that is left is compared with that of random clusters of the same sizes, which leave
all of it, and with surrogates. Where frames are independent a context still says where the frame is that the
step starts from, and less than all of the variance is left, although the past says nothing.

Shapes: N cases, D dimensions, P frames of context, K clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.probe_cases import Scale, cases, empty_scores, tally_cases
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.predictor.scores import Scores, merge

CLUSTERS, CONTEXT = 64, 4  # K, P
_MOST_CONTEXTS = 256 * CLUSTERS  # that k-means is fitted to: to so many it would reduce them itself
_ROUNDS = 20
_SEED = 0


def cluster_scores(train: Feed, held_out: Feed, scale: Scale) -> dict[str, Scores]:
    """Scores ``cluster_ratio`` and ``random_ratio`` on the held-out speakers, by surrogate.

    Each is the share of the next step's variance, over all dimensions together, that is left about the
    training means of the clusters, real or random.

    Args:
        train: frames of training speakers, with all surrogates.
        held_out: frames of the speakers that are scored, with the same surrogates.
        scale: that standardises frames.

    Raises:
        InputError: fewer training contexts than clusters.
    """
    scores_by_surrogate: dict[str, Scores] = {}
    for number, surrogate in enumerate(train.surrogates):
        index = _clusters(train, number, scale)
        rng = np.random.default_rng(_SEED)
        means = _MeanSteps(), _MeanSteps()  # of clusters, and of random clusters
        for shard in train.chunks():
            for _, past, delta in _contexts(shard, number, scale):
                labels = _nearest(index, past)
                means[0].add(labels, delta)
                means[1].add(rng.permutation(labels), delta)
        parts = []
        for shard in held_out.chunks():
            scores = empty_scores(shard, held_out.frame_rate)
            for owner_N, past, delta in _contexts(shard, number, scale):
                labels = _nearest(index, past)
                figures = {
                    "cluster_ratio": means[0].left(labels, delta),
                    "random_ratio": means[1].left(rng.permutation(labels), delta),
                }
                tally_cases(scores, shard, owner_N, figures)
            parts.append(scores)
        scores_by_surrogate[surrogate] = merge(parts)
    return scores_by_surrogate


class _MeanSteps:
    """The mean step of every cluster, and of all."""

    def __init__(self) -> None:
        self._sums_KD: Any = 0.0
        self._counts_K = np.zeros(CLUSTERS)

    def add(self, labels_N: np.ndarray, delta_ND: Tensor) -> None:
        sums_KD = torch.zeros(CLUSTERS, delta_ND.shape[1], dtype=torch.float64)
        self._sums_KD = self._sums_KD + sums_KD.index_add_(0, torch.from_numpy(labels_N), delta_ND).numpy()
        self._counts_K += np.bincount(labels_N, minlength=CLUSTERS)

    def left(self, labels_N: np.ndarray, delta_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distance of each step from the mean of its cluster, and from the mean of all steps."""
        overall_D = self._sums_KD.sum(0) / self._counts_K.sum()
        counted = self._counts_K[:, None] > 0
        means_KD = np.where(counted, self._sums_KD / np.maximum(self._counts_K[:, None], 1), overall_D)
        within = delta_ND - torch.from_numpy(means_KD[labels_N])
        return within.square().sum(-1), (delta_ND - torch.from_numpy(overall_D)).square().sum(-1)


def _clusters(train: Feed, surrogate: int, scale: Scale) -> Any:
    """A faiss index of K centres."""
    import faiss  # here, because it is slow to load

    contexts = np.concatenate([past for _, past, _ in _contexts(train.shard(0), surrogate, scale)])
    if len(contexts) < CLUSTERS:
        raise InputError(
            f"{len(contexts)} training contexts are fewer than the {CLUSTERS} clusters; encode more speakers"
        )
    chosen = contexts[:: max(1, len(contexts) // _MOST_CONTEXTS)]
    kmeans = faiss.Kmeans(
        chosen.shape[1],
        CLUSTERS,
        niter=_ROUNDS,
        seed=_SEED,
        min_points_per_centroid=1,
        max_points_per_centroid=1 << 30,
    )
    kmeans.train(chosen)
    return kmeans.index


def _nearest(index: Any, past_NI: np.ndarray) -> np.ndarray:
    return index.search(past_NI, 1)[1][:, 0]


def _contexts(shard: Shard, surrogate: int, scale: Scale) -> Iterator[tuple[np.ndarray, np.ndarray, Tensor]]:
    """Blocks of cases: their utterances, contexts [N, P D] as faiss takes them, and next steps [N, D]."""
    z_ND = scale.standardised(shard.frames_SND[surrogate])
    for now_N, owner_N in cases(shard, CONTEXT, 1):
        past = torch.cat([z_ND[now_N - back] for back in range(CONTEXT)], 1).float().numpy()
        yield owner_N, past, z_ND[now_N + 1] - z_ND[now_N]
