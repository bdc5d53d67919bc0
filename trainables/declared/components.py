"""A mixture whose components are asked what they say of sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainables.contract import Evaluation
from trainables.declared.predictor import TRAINABLE as PREDICTS

if TYPE_CHECKING:
    from trainables.latents.batching.feed import Feed
    from trainables.predictor.config import Lane, Structure
    from trainables.predictor.scores import Scores
    from trainables.predictor.training.lane_result import LaneResult
    from trainables.training_context import Context


def _train(
    structure: Structure, lanes: Sequence[Lane], train: Feed, evaluation: Evaluation, context: Context
) -> list[LaneResult]:
    from trainables.analysis.component_information import information_scores, real_steps
    from trainables.analysis.on_predictors import measured_too

    def measure(structure: Structure, lane: Lane, result: LaneResult) -> tuple[Scores, dict[str, Any]]:
        learnt, judged = (real_steps(structure, result.state, feed) for feed in (train, evaluation.judged))
        return information_scores(learnt, judged, evaluation.tracks, train.frame_rate, lane.seed)

    results = PREDICTS.train(structure, lanes, train, evaluation, context)
    return measured_too(structure, lanes, results, evaluation, measure)


TRAINABLE = replace(PREDICTS, train=_train, distributes=False, uses_tracks=True)
