"""Score: corrections of a forecaster's free runs by the score of single frames, or teaching by it, beside
their nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainables.analysis.score_settings import (
    LANGEVIN,
    OF_WORLD,
    WHITENED_ERROR,
    ScoreLane,
    ScoreStructure,
    shared_forecaster,
    shared_score,
)
from trainables.contract import Auxiliary, CostPerFrame, Evaluation, Trainable
from trainables.predictor.config import Structure

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

_PER_WEIGHT = 3e-11  # seconds for each weight that a frame meets forwards; training is three times that
_PER_DRAW = 3e-6  # seconds to draw, and to score, a frame of a run
_PER_STEP = 0.02  # seconds of a step of further teaching, however small


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
    shared = 0 if structure.score_loss == WHITENED_ERROR else trained  # once, however many lanes there are
    seconds = 1.0
    if structure.score_loss:
        each = 3 * (_PER_DRAW + _PER_WEIGHT * (2 * predictor + weights))
        seconds += structure.further_steps * (2 * _PER_STEP + each * _frames_of_step(structure))
    return CostPerFrame(
        per_frame=lanes * (drawn + epochs), fixed=shared + lanes * seconds, bytes=24 * (weights + predictor)
    )


def _frames_seen(structure: ScoreStructure, frames: int) -> int:
    further = structure.further_steps * _frames_of_step(structure) if structure.score_loss else 0
    of_epoch = structure.predictor_steps * _frames_of_step(structure) or frames
    return structure.predictor_epochs * of_epoch + further


def _frames_of_step(structure: ScoreStructure) -> int:
    """Frames in an optimiser step of the predictor."""
    return Structure.batch * (structure.context + 1)


def _auxiliaries(structure: ScoreStructure, lane: ScoreLane) -> list[Auxiliary]:
    score = [] if structure.score_loss == WHITENED_ERROR else [shared_score(structure, lane.surrogate)]
    return score if structure.forecaster == OF_WORLD else [*score, shared_forecaster(structure, lane)]


TRAINABLE = Trainable(
    structure=ScoreStructure,
    lane=ScoreLane,
    train=_train,
    cost=_cost,
    frames_seen=_frames_seen,
    auxiliaries=_auxiliaries,
)
