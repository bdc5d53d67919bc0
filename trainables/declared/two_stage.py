"""Two stages: directions of a rollout first, magnitudes afterwards, or both in one stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainables.contract import CostPerFrame, Evaluation, Trainable
from trainables.two_stage.settings import TwoStageLane, TwoStageStructure

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

_PER_WEIGHT = 6e-11  # seconds for each weight that a frame meets forwards; training is three times that
_PER_DRAW = 6e-6  # seconds to draw, and to score, a frame of a run
_PER_STEP = 0.01  # seconds of an optimiser step, however small


def _train(
    structure: TwoStageStructure,
    lanes: Sequence[TwoStageLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.two_stage.measure import train_two_stages

    return train_two_stages(structure, lanes, train, evaluation, context)


def _cost(structure: TwoStageStructure, lanes: int, dim: int, device: torch.device | str) -> CostPerFrame:
    hidden = structure.width
    weights = 3 * hidden * (hidden + dim) + 4 * hidden * (hidden + dim) + hidden * dim
    drawn = 3 * structure.samples * (_PER_DRAW + _PER_WEIGHT * weights)
    frames = structure.batch * (structure.context + structure.horizon)
    trained = structure.steps * (_PER_STEP + 3 * frames * weights * _PER_WEIGHT)
    return CostPerFrame(per_frame=lanes * drawn, fixed=lanes * (1 + trained), bytes=24 * weights)


def _frames_seen(structure: TwoStageStructure, frames: int) -> int:
    return structure.steps * structure.batch * structure.horizon


TRAINABLE = Trainable(
    structure=TwoStageStructure, lane=TwoStageLane, train=_train, cost=_cost, frames_seen=_frames_seen
)
