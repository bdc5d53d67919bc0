"""What a report draws and plays of archetypes: a map of the clusters, and their most typical steps.

Shapes: N steps, K clusters, I principal dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from trainables.analysis.archetype_acoustics import FEATURES, AcousticMeans
from trainables.analysis.archetype_clusters import Archetypes
from trainables.analysis.direction_table import PAST, DirectionTable

_HEARD, _EXEMPLARS, _AROUND_SECONDS = 6, 3, 0.3  # clusters, steps of each, frames on either side


class StepPlace(NamedTuple):
    """Where a step is: it starts from a frame of an utterance."""

    utterance_id: str
    speaker_id: str
    frame: int
    seconds: float


Typical = tuple[int, float, StepPlace]  # a step by its cluster, and minus its cosine to the centroid


def cluster_map(found: Archetypes, shares_K: np.ndarray, means: AcousticMeans | None) -> dict[str, Any]:
    """Where each centroid lies in the two principal dimensions of all of them, its share of the steps, and by
    how many standard deviations its steps are off in each acoustic feature; no profile without means.
    """
    centred_KI = found.centroids_KI - found.centroids_KI.mean(0)
    _, _, axes_II = np.linalg.svd(centred_KI, full_matrices=False)
    profile: dict[str, list[float]] = {}
    if means is not None:
        scale_F = np.sqrt(np.where(means.variance_F > 0, means.variance_F, np.inf))
        off_KF = (means.means_KF - means.mean_F) / scale_F
        profile = {name: off_KF[:, place].tolist() for place, name in enumerate(FEATURES)}
    return {
        "dimensions": found.basis_DI.shape[1],
        "map": (centred_KI @ axes_II[:2].T).tolist(),
        "shares": shares_K.tolist(),
        "profile": profile,
    }


def typical_steps(
    table: DirectionTable,
    labels_N: np.ndarray,
    cosine_N: np.ndarray,
    shares_K: np.ndarray,
    frame_rate: float,
) -> list[Typical]:
    """Of each of the most frequent clusters the step of each speaker that is nearest to the centroid, among
    those with enough frames around them.
    """
    around = round(_AROUND_SECONDS * frame_rate)
    left_N = table.steps_U[table.owner_N] - table.place_N
    fits_N = (table.place_N >= around) & (left_N > around)
    found = []
    for cluster in np.argsort(-shares_K, kind="stable")[:_HEARD].tolist():
        rows = np.flatnonzero(fits_N & (labels_N == cluster))
        nearest_first = rows[np.argsort(-cosine_N[rows], kind="stable")]
        speakers = np.array(table.speakers)[table.owner_N[nearest_first]]
        for row in nearest_first[np.unique(speakers, return_index=True)[1]].tolist():
            owner, frame = int(table.owner_N[row]), int(table.place_N[row]) + PAST - 1
            place = StepPlace(table.utterances[owner], table.speakers[owner], frame, frame / frame_rate)
            found.append((cluster, -float(cosine_N[row]), place))
    return found


def archetype_exemplars(typical: Iterable[Typical], shares_K: np.ndarray) -> list[dict[str, Any]]:
    """The most typical steps of each cluster, each of another speaker; the most frequent cluster first."""
    chosen: dict[int, dict[str, StepPlace]] = {}  # by cluster and speaker
    for cluster, _, place in sorted(typical):
        speakers = chosen.setdefault(cluster, {})
        if len(speakers) < _EXEMPLARS:
            speakers.setdefault(place.speaker_id, place)
    frequent_first = sorted(chosen, key=lambda cluster: -shares_K[cluster])
    return [
        {"cluster": cluster, **place._asdict()}
        for cluster in frequent_first
        for place in chosen[cluster].values()
    ]
