"""Score: corrections of a forecaster's free runs by the score of single frames, or teaching by it, beside
their nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.analysis.score_auxiliaries import shared_forecaster, shared_score
from trainables.analysis.score_settings import LANGEVIN, OF_WORLD, WHITENED_ERROR, ScoreLane, ScoreStructure
from trainables.contract import Auxiliary, Evaluation, Trainable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

# Seconds for each weight that a frame meets: in a run, in double precision; trained in a predictor, step by
# step; trained in a score, all at once.
_PER_WEIGHT_DRAWN, _PER_WEIGHT_READ, _PER_WEIGHT = 2e-10, 2.5e-10, 6e-11
_PER_DRAW = 1e-5  # seconds to draw, and to score, a frame of a run


@dataclass(frozen=True)
class _Cost:
    """Seconds of a pack for each frame that trains and each that is judged, and others."""

    trained: float
    judged: float
    fixed: float
    bytes: int

    def seconds(
        self,
        structure: ScoreStructure,
        train: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray | None = None,
    ) -> float:
        """Seconds of a pack on utterances of such lengths in frames; without ``test`` it explores."""
        judged = float((validation if test is None else test).sum())
        most = structure.most_windows(test is None) * structure.horizon or judged
        trained = _frames_of_epoch(structure, int(train.sum()))
        return self.fixed + self.trained * trained + self.judged * min(judged, most)


def _train(
    structure: ScoreStructure,
    lanes: Sequence[ScoreLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.analysis.score import train_scores

    return train_scores(structure, lanes, train, evaluation, context)


def _cost(structure: ScoreStructure, lanes: int, dim: int, device: torch.device | str) -> _Cost:
    hidden, steps = structure.predictor_width, structure.score_steps * structure.score_batch
    weights = 2 * structure.score_width * (structure.score_width + dim)
    predictor = 3 * hidden * (hidden + dim) + hidden * dim
    read, drawn = 3 * predictor * _PER_WEIGHT_READ, _PER_DRAW + predictor * _PER_WEIGHT_DRAWN
    taught = _frames_taught_further(structure)
    # The score is fitted once for all lanes, and the predictor once for all arms: those that only correct it
    # are told its price.
    fixed = 0 if structure.score_loss == WHITENED_ERROR else 3 * steps * weights * _PER_WEIGHT
    trained = 0 if structure.score_loss else _epochs(structure) * read
    calls = 0 if structure.score_loss else 2 * _score_calls(structure)
    runs = 2 if structure.score_loss else 4
    return _Cost(
        trained=lanes * trained,
        judged=lanes * structure.samples * (runs * drawn + calls * weights * _PER_WEIGHT_DRAWN),
        fixed=fixed + lanes * (1 + taught * (2 * read + 3 * weights * _PER_WEIGHT)),
        bytes=24 * (weights + predictor),
    )


def _score_calls(structure: ScoreStructure) -> int:
    """How often a correction asks for the score of a frame."""
    return structure.langevin_steps if structure.correction == LANGEVIN else 1


def _epochs(structure: ScoreStructure) -> int:
    """Epochs for which a predictor trains; a world's own model knows all."""
    return 0 if structure.forecaster == OF_WORLD else structure.predictor_epochs


def _frames_seen(structure: ScoreStructure, frames: int) -> int:
    of_epochs = _epochs(structure) * _frames_of_epoch(structure, frames)
    return of_epochs + _frames_taught_further(structure)


def _frames_of_epoch(structure: ScoreStructure, frames: int) -> int:
    return structure.predictor_steps * structure.step_frames or frames


def _frames_taught_further(structure: ScoreStructure) -> int:
    return structure.further_steps * structure.step_frames if structure.score_loss else 0


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
