"""A predictor of the next frame: backbone, head, and rollouts of its own predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainables.contract import Evaluation, Trainable, TrainingPhase
from trainables.latents.batching.surrogates import PLANTS
from trainables.predictor.config import ALL_HEADS, Lane, Structure

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.predictor.training.timing import Pace
    from trainables.training_context import Context


@dataclass(frozen=True)
class _Cost:
    pace: Pace

    @property
    def bytes(self) -> int:
        return self.pace.bytes

    def seconds(
        self, structure: Structure, train: np.ndarray, validation: np.ndarray, test: np.ndarray | None = None
    ) -> float:
        looked_at = rollout_windows(validation, structure)
        judged = 0 if test is None else rollout_windows(test, structure)
        return self.pace.seconds(structure, int(train.sum()), looked_at, judged)


def rollout_windows(lengths: np.ndarray, structure: Structure) -> int:
    """Rollouts that an evaluation runs: horizons tile each utterance after its context."""
    return int(np.maximum((lengths - structure.context) // structure.horizon, 0).sum())


def _train(
    structure: Structure, lanes: Sequence[Lane], train: Feed, evaluation: Evaluation, context: Context
) -> list[LaneResult]:
    from trainables.predictor.evaluation.options import EVERYTHING, FREE_RUNS
    from trainables.predictor.training.train import train_pack

    # On plants no more is measured than free runs.
    is_planted = any(lane.surrogate in PLANTS for lane in lanes)
    return train_pack(
        structure,
        lanes,
        train,
        evaluation.judged,
        context,
        evaluate_each_epoch=evaluation.exploring,
        validation=evaluation.held_out,
        final=EVERYTHING if evaluation.thorough and not is_planted else FREE_RUNS,
        flows=evaluation.flows,
    )


def _cost(structure: Structure, lanes: int, dim: int, device: torch.device | str) -> _Cost:
    from trainables.predictor.training.timing import pace

    return _Cost(pace(structure, lanes, dim, device))


def _frames_seen(structure: Structure, frames: int) -> int:
    from trainables.predictor.training.schedule import epoch_steps

    steps = structure.epochs * epoch_steps(structure, frames)
    return steps * structure.batch * structure.window_frames


def _phases(structure: Structure) -> tuple[TrainingPhase, ...]:
    return tuple(TrainingPhase(name, epochs, structure.patience) for name, epochs in structure.phases)


TRAINABLE = Trainable(
    structure=Structure,
    lane=Lane,
    train=_train,
    cost=_cost,
    frames_seen=_frames_seen,
    phases=_phases,
    required={"head": f"one of {', '.join(ALL_HEADS)}"},
    forecasts=True,
    distributes=True,
)
