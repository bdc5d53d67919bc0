"""Score: corrections of a forecaster's free runs by the score of single frames, beside their nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainables.analysis.score_settings import LANGEVIN, ScoreLane, ScoreStructure
from trainables.contract import CostPerFrame, Evaluation, Trainable

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

_PER_WEIGHT = 3e-11  # seconds for each weight that a frame meets forwards; training is three times that
_PER_DRAW = 3e-6  # seconds to draw, and to score, a frame of a run


def _train(
    structure: ScoreStructure,
    lanes: Sequence[ScoreLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.analysis.score import train_scores

    return train_scores(structure, lanes, train, evaluation, context)


def _cost(structure: ScoreStructure, lanes: int, dim: int, device: torch.device | str) -> CostPerFrame:
    weights = 2 * structure.score_width * (structure.score_width + dim)
    hidden = structure.predictor_width
    predictor = 3 * hidden * (hidden + dim) + hidden * dim
    calls = 2 * (structure.langevin_steps if structure.correction == LANGEVIN else 1)
    drawn = 4 * structure.samples * (_PER_DRAW + _PER_WEIGHT * (predictor + calls * weights))
    epochs = 6 * structure.predictor_epochs * _PER_WEIGHT * predictor
    trained = 3 * structure.score_steps * structure.score_batch * weights * _PER_WEIGHT
    return CostPerFrame(
        per_frame=lanes * (drawn + epochs), fixed=lanes * (1 + trained), bytes=24 * (weights + predictor)
    )


def _frames_seen(structure: ScoreStructure, frames: int) -> int:
    return structure.predictor_epochs * frames


TRAINABLE = Trainable(
    structure=ScoreStructure, lane=ScoreLane, train=_train, cost=_cost, frames_seen=_frames_seen
)
