"""Archetypes: directions that recur, by spherical k-means, and whether they hold for other speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainables.analysis.archetype_settings import ArchetypeLane, ArchetypeStructure
from trainables.contract import CostPerFrame, Evaluation, Trainable

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

# Seconds for each frame, cluster and dimension, of all solutions of a lane; and for the regression.
_PER_PRODUCT, _PER_REGRESSION = 1e-10, 1e-9


def _train(
    structure: ArchetypeStructure,
    lanes: Sequence[ArchetypeLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.analysis.archetypes import train_archetypes

    return train_archetypes(structure, lanes, train, evaluation, context)


def _cost(structure: ArchetypeStructure, lanes: int, dim: int, device: torch.device | str) -> CostPerFrame:
    products = structure.clusters * dim
    return CostPerFrame(
        per_frame=lanes * structure.rounds * products * _PER_PRODUCT,
        fixed=lanes * (1 + structure.regression_steps * 4 * products * 1024 * _PER_REGRESSION / 100),
        bytes=4 * (products + dim * dim),
    )


TRAINABLE = Trainable(
    structure=ArchetypeStructure, lane=ArchetypeLane, train=_train, cost=_cost, uses_tracks=True
)
