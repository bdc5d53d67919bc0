"""Readout: a linear or nonlinear bottleneck of a window of latents, and dynamics that read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainables.analysis.readout_settings import DIVISORS, ReadoutLane, ReadoutStructure
from trainables.contract import CostPerFrame, Evaluation, Trainable

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

_PER_FRAME, _PER_WEIGHT = 1.5e-6, 4e-10  # seconds to train on a frame, and for each weight of the dynamics
_PER_JUDGED = 1e-5  # seconds for each frame that is judged, and for each that a reservoir reads


def _train(
    structure: ReadoutStructure,
    lanes: Sequence[ReadoutLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.analysis.readout import train_readouts

    return train_readouts(structure, lanes, train, evaluation, context)


def _weights(structure: ReadoutStructure, dim: int) -> int:
    hidden, seen = structure.dynamics_width, dim * structure.readout_window
    encoder = 0 if structure.readout == "linear" else structure.encoder_width * (seen + dim // 4 + 1)
    return encoder + 3 * hidden * (hidden + dim // 4) + hidden * dim + dim * dim


def _cost(structure: ReadoutStructure, lanes: int, dim: int, device: torch.device | str) -> CostPerFrame:
    frames = len(DIVISORS) * structure.steps * structure.batch * structure.window_frames
    weights = _weights(structure, dim)
    return CostPerFrame(
        per_frame=lanes * _PER_JUDGED,
        fixed=lanes * (1 + frames * (_PER_FRAME + _PER_WEIGHT * weights)),
        bytes=24 * len(DIVISORS) * weights,
    )


def _frames_seen(structure: ReadoutStructure, frames: int) -> int:
    return structure.steps * structure.batch * structure.window_frames


TRAINABLE = Trainable(
    structure=ReadoutStructure, lane=ReadoutLane, train=_train, cost=_cost, frames_seen=_frames_seen
)
