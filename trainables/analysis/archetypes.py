"""Archetypes as something that a lane runs: found on training speakers, judged on others.

What is measured of each step of a judged speaker, sums and counts per speaker:

* ``mean_cluster_cosine``: the cosine to the nearest centroid, in principal dimensions (tightness), and
  ``random_centroid_cosine``, where random directions of training speakers stand for centroids;
* ``cross_speaker_accuracy``: whether centroids of two halves of the training speakers, the second started
  from the first, put it into the same cluster, and ``cross_part_accuracy``, where the halves are those of
  every utterance; ``speaker_independence`` is the first over the second;
* ``shared_tightness``: the cosine where the halves of speakers agree, else 0;
* ``acoustic_correlation``, and ``acoustic_`` before each feature: the share of acoustic change that clusters
  explain, see :mod:`trainables.analysis.archetype_acoustics`. They are always of *real* steps: on a surrogate
  the clusters are found there, and applied to real steps;
* ``membership_information``: nats that the past says about the cluster.

Shapes: N steps, K clusters, I principal dimensions, S speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from trainables.analysis.archetype_acoustics import (
    FEATURES,
    AcousticMeans,
    shifted_features,
    step_features,
)
from trainables.analysis.archetype_clusters import Archetypes, nearest, projected
from trainables.analysis.archetype_map import Typical, archetype_exemplars, cluster_map, typical_steps
from trainables.analysis.archetype_settings import ArchetypeLane, ArchetypeStructure
from trainables.analysis.direction_table import DirectionTable
from trainables.analysis.membership import Membership
from trainables.contract import Evaluation
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.one_by_one import train_one_by_one
from trainables.predictor.scores import LaneStatus, Scores, merge
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import Context

_MOST_STEPS = 130_000  # of training speakers
_MOST_NUMBERS = 64_000_000  # of their pasts


def train_archetypes(
    structure: ArchetypeStructure,
    lanes: Sequence[ArchetypeLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    """Find and judge the archetypes of each lane, see :class:`trainables.contract.TrainPack`.

    Raises:
        InputError: there are too few training steps or speakers.
    """
    data = _Data(train, evaluation)
    return train_one_by_one(lanes, context, lambda lane: _lane(structure, lane, data))


@dataclass
class _Data:
    """The steps of all surrogates that lanes name, made once."""

    train: Feed
    evaluation: Evaluation
    tables: dict[Surrogate, DirectionTable] = field(default_factory=dict)

    def table(self, surrogate: Surrogate) -> DirectionTable:
        if surrogate not in self.tables:
            most = min(_MOST_STEPS, _MOST_NUMBERS // (4 * self.train.dim))
            row = self.train.surrogates.index(surrogate)
            self.tables[surrogate] = DirectionTable.of_feed(self.train, row, most)
        return self.tables[surrogate]

    @cached_property
    def features_NF(self) -> np.ndarray:
        """Of the real training steps."""
        return step_features(self.table(Surrogate.REAL), self.evaluation.tracks)

    @cached_property
    def shifted(self) -> list[np.ndarray]:
        return list(shifted_features(self.table(Surrogate.REAL), self.evaluation.tracks))


def _lane(structure: ArchetypeStructure, lane: ArchetypeLane, data: _Data) -> LaneResult:
    table, evaluation = data.table(lane.surrogate), data.evaluation
    found = Archetypes.fit(structure, lane.seed, table)
    judge = _Judge.of(structure, lane, found, data)
    judged = evaluation.judged
    scores = merge(judge.scores(judged, shard) for shard in judged.chunks())
    return LaneResult(
        status=LaneStatus.FINISHED,
        scores=scores.to_json(),
        history=[],
        parameters=found.centroids_KI.size,
        seconds=0.0,
        state={
            "basis": torch.from_numpy(found.basis_DI),
            "centroids": torch.from_numpy(found.centroids_KI),
        },
        details=judge.details(),
    )


@dataclass(kw_only=True)
class _Judge:
    """What a lane has learnt, and how it is measured."""

    structure: ArchetypeStructure
    surrogate: Surrogate
    found: Archetypes
    random_KI: np.ndarray  # random training directions
    shares_K: np.ndarray  # of training steps
    tracks: Mapping[str, Mapping[str, np.ndarray]]
    membership: Membership | None  # None while exploring, as the rest
    means: AcousticMeans | None
    shifted_means: list[AcousticMeans | None]
    typical: list[Typical] = field(default_factory=list)  # of the clusters that are heard

    @classmethod
    def of(cls, structure: ArchetypeStructure, lane: ArchetypeLane, found: Archetypes, data: _Data) -> _Judge:
        table, K = data.table(lane.surrogate), structure.clusters
        x_NI = projected(table.unit_ND, found.basis_DI)
        labels_N, _ = nearest(x_NI, found.centroids_KI)
        rng = np.random.default_rng(lane.seed)
        membership = means = None
        shifted_means: list[AcousticMeans | None] = []
        if not data.evaluation.exploring:
            membership = Membership.fit(table.past_NI, labels_N, K, structure.regression_steps, lane.seed)
            real_N = labels_N
            if lane.surrogate is not Surrogate.REAL:
                real = projected(data.table(Surrogate.REAL).unit_ND, found.basis_DI)
                real_N, _ = nearest(real, found.centroids_KI)
            means = AcousticMeans.of(data.features_NF, real_N, K)
            shifted_means = [AcousticMeans.of(features, real_N, K) for features in data.shifted]
        return cls(
            structure=structure,
            surrogate=lane.surrogate,
            found=found,
            random_KI=x_NI[rng.choice(len(x_NI), K, replace=False)],
            shares_K=np.bincount(labels_N, minlength=K) / len(labels_N),
            tracks=data.evaluation.tracks,
            membership=membership,
            means=means,
            shifted_means=shifted_means,
        )

    def scores(self, feed: Feed, shard: Any) -> Scores:
        """Of the speakers of a shard."""
        table = DirectionTable.of(shard, feed.surrogates.index(self.surrogate))
        tally = _Tally(table, feed.frame_rate)
        x_NI = projected(table.unit_ND, self.found.basis_DI)
        labels_N, cosine_N = nearest(x_NI, self.found.centroids_KI)
        one, other = (nearest(x_NI, centroids)[0] for centroids in self.found.halves)
        first, second = (nearest(x_NI, centroids)[0] for centroids in self.found.parts)
        if self._is_shown:
            self.typical += typical_steps(table, labels_N, cosine_N, self.shares_K, feed.frame_rate)
        tally.add("mean_cluster_cosine", cosine_N)
        tally.add("random_centroid_cosine", nearest(x_NI, self.random_KI)[1])
        tally.add("cross_speaker_accuracy", one == other)
        tally.add("cross_part_accuracy", first == second)
        tally.add("speaker_independence", one == other, first == second)
        tally.add("shared_tightness", cosine_N * (one == other))
        tally.add("clusters", np.full(len(x_NI), self.structure.clusters))
        if self.membership is not None:
            tally.add("membership_information", self.membership.information(table.past_NI, labels_N))
        if self.means is not None:
            self._acoustics(tally.scores, feed, shard)
        return tally.scores

    def _acoustics(self, scores: Scores, feed: Feed, shard: Any) -> None:
        """Add what the clusters explain of the sound of real steps, beyond what they do of shifted ones."""
        table = DirectionTable.of(shard, feed.surrogates.index(Surrogate.REAL))
        tally = _Tally(table, feed.frame_rate, scores)
        labels_N, _ = nearest(projected(table.unit_ND, self.found.basis_DI), self.found.centroids_KI)
        assert self.means is not None  # asked before
        gain_NF, about_NF = self.means.explained(step_features(table, self.tracks), labels_N)
        by_chance_NF = np.zeros_like(gain_NF)
        for means, features_NF in zip(self.shifted_means, shifted_features(table, self.tracks), strict=True):
            if means is not None:
                by_chance_NF += means.explained(features_NF, labels_N)[0] / len(self.shifted_means)
        for place, name in enumerate(FEATURES):
            if about_NF[:, place].any():
                tally.add(f"acoustic_{name}", gain_NF[:, place] - by_chance_NF[:, place], about_NF[:, place])
        tally.add("acoustic_correlation", (gain_NF - by_chance_NF).sum(1), about_NF.sum(1))

    def details(self) -> dict[str, Any]:
        """What a report draws and plays; empty of surrogates, and while exploring."""
        if not self._is_shown:
            return {}
        return {
            **cluster_map(self.found, self.shares_K, self.means),
            "exemplars": archetype_exemplars(self.typical, self.shares_K),
        }

    @property
    def _is_shown(self) -> bool:
        return self.surrogate is Surrogate.REAL and self.membership is not None


class _Tally:
    """Sums and counts per speaker of what each step of a table adds."""

    def __init__(self, table: DirectionTable, frame_rate: float, scores: Scores | None = None) -> None:
        names = sorted(set(table.speakers))
        self.scores = scores or Scores(names, frame_rate, 0)
        row_U = np.array([names.index(speaker) for speaker in table.speakers], dtype=np.int64)
        self._rows_N = row_U[table.owner_N]

    def add(self, name: str, above_N: np.ndarray, below_N: np.ndarray | None = None) -> None:
        """Add what each step adds above and below a fraction; 1 below where nothing else is said."""
        self.scores.add(name, self._rows_N, above_N, below_N)
