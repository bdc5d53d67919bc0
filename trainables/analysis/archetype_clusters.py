"""Clusters of directions by spherical k-means, found on all training speakers and on halves of them.

I. S. Dhillon, D. S. Modha, "Concept decompositions for large sparse text data using clustering", 2001.

Shapes: N directions, D latent dimensions, I dimensions kept, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.analysis.archetype_settings import ArchetypeStructure
from trainables.analysis.direction_table import DirectionTable
from trainables.errors import InputError

# Directions that k-means is fitted to, at most: so many for each cluster, or so many in all.
_PER_CLUSTER, _FITTED = 100, 20_000
_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Archetypes:
    """Centroids [K, I] in the principal dimensions of directions, several solutions that can be compared.

    Attributes:
        basis_DI: principal dimensions of the directions of training speakers.
        centroids_KI: of all training speakers.
        halves: of one half of them, and of the other half *started from these*: so a cluster of one stands
            for that of the other, without any matching.
        parts: likewise of the first and the second halves of all utterances: what fitting twice costs where
            the speakers are the same.
    """

    basis_DI: np.ndarray
    centroids_KI: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    parts: tuple[np.ndarray, np.ndarray]

    @classmethod
    def fit(cls, structure: ArchetypeStructure, seed: int, table: DirectionTable) -> Archetypes:
        """Find the clusters of the directions of training speakers.

        Raises:
            InputError: fewer steps move than there are to be clusters, or there is one speaker.
        """
        speakers = np.random.default_rng(seed).permutation(sorted(set(table.speakers)))
        if len(speakers) < 2:
            raise InputError(
                f"training speakers are {len(speakers)}, and archetypes are compared between halves of them; "
                "encode more speakers"
            )
        basis_DI = principal_directions(table.unit_ND, structure.pca_variance)
        x_NI = projected(table.unit_ND, basis_DI)
        one_N = table.of_speakers(speakers[: len(speakers) // 2])
        first_N = table.in_first_half

        def pair(chosen_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            started = spherical_kmeans(x_NI[chosen_N], structure, seed)
            return started, spherical_kmeans(x_NI[~chosen_N], structure, seed, start_KI=started)

        return cls(
            basis_DI=basis_DI,
            centroids_KI=spherical_kmeans(x_NI, structure, seed),
            halves=pair(one_N),
            parts=pair(first_N),
        )


def principal_directions(unit_ND: np.ndarray, share: float) -> np.ndarray:
    """The fewest orthonormal columns [D, I] that keep a share of the second moment of unit vectors.

    The mean is not taken away, so that angles between directions stay what they are.
    """
    values_D, vectors_DD = np.linalg.eigh(unit_ND.T.astype(np.float64) @ unit_ND / len(unit_ND))
    kept_D = np.cumsum(values_D[::-1]) / values_D.sum()
    count = int(np.searchsorted(kept_D, share - 1e-9)) + 1
    return np.ascontiguousarray(vectors_DD[:, ::-1][:, :count])


def projected(unit_ND: np.ndarray, basis_DI: np.ndarray) -> np.ndarray:
    """Directions in the principal dimensions, of length 1 again: float32 [N, I]."""
    x_NI = unit_ND @ basis_DI.astype(np.float32)
    length_N = np.linalg.norm(x_NI, axis=1, keepdims=True)
    return np.ascontiguousarray(x_NI / np.maximum(length_N, 1e-12))


def spherical_kmeans(
    x_NI: np.ndarray, structure: ArchetypeStructure, seed: int, start_KI: np.ndarray | None = None
) -> np.ndarray:
    """Unit centroids [K, I] of unit vectors, from random ones of them or from given centroids.

    Raises:
        InputError: there are fewer vectors than clusters.
    """
    import faiss  # here, because it is slow to load

    clusters = structure.clusters
    if len(x_NI) < clusters:
        raise InputError(
            f"clusters is {clusters}, but only {len(x_NI)} steps of training speakers, or of half of them, "
            "move; it must be at most that number"
        )
    kmeans: Any = faiss.Kmeans(
        x_NI.shape[1],
        clusters,
        niter=structure.rounds,
        seed=seed % 2**31,
        spherical=True,
        min_points_per_centroid=1,  # the check above takes its place
        max_points_per_centroid=max(_PER_CLUSTER, -(-_FITTED // clusters)),
    )
    kmeans.train(x_NI, init_centroids=start_KI)
    centroids_KI: np.ndarray = kmeans.centroids.copy()
    return centroids_KI / np.maximum(np.linalg.norm(centroids_KI, axis=1, keepdims=True), 1e-12)


def nearest(x_NI: np.ndarray, centroids_KI: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each unit vector, and the cosine to its centroid, [N] each."""
    labels, cosines = [], []
    for first in range(0, len(x_NI), _AT_ONCE):
        cosine_NK = x_NI[first : first + _AT_ONCE] @ centroids_KI.T
        own = cosine_NK.argmax(1)
        labels.append(own)
        cosines.append(np.take_along_axis(cosine_NK, own[:, None], 1)[:, 0])
    if not labels:
        return np.empty(0, np.int64), np.empty(0)
    return np.concatenate(labels), np.concatenate(cosines).astype(np.float64)
