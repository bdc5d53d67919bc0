"""Perturbation: true trajectories with errors of direction or of magnitude, decoded and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainables.contract import Evaluation, Trainable, no_frames
from trainables.listening.perturbation_settings import PerturbationLane, PerturbationStructure

if TYPE_CHECKING:
    import torch

    from trainables.latents.batching.feed import Feed
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context

_PER_SECOND = 0.1  # seconds to decode and compare a second of audio
_SPEAKER_SHARE = 0.25  # of a speaker's utterances, about, that are taken


@dataclass(frozen=True)
class _Cost:
    """Decoding: of so many clips, at two doses, once or twice each."""

    lanes: int
    bytes: int = 0

    def seconds(
        self,
        structure: PerturbationStructure,
        train: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray | None = None,
    ) -> float:
        judged = validation if test is None else test
        clips = max(1.0, _SPEAKER_SHARE * len(judged)) * structure.utterances / 4
        decoded = 1 + len(structure.doses) * (2 if structure.kind == "scale" else 1)
        return self.lanes * clips * decoded * _PER_SECOND * (structure.context_seconds + structure.seconds)


def _train(
    structure: PerturbationStructure,
    lanes: Sequence[PerturbationLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    from trainables.listening.perturbation import measure_perturbations

    return measure_perturbations(structure, lanes, train, evaluation, context)


def _cost(structure: PerturbationStructure, lanes: int, dim: int, device: torch.device | str) -> _Cost:
    return _Cost(lanes)


TRAINABLE = Trainable(
    structure=PerturbationStructure,
    lane=PerturbationLane,
    train=_train,
    cost=_cost,
    frames_seen=no_frames,
)
