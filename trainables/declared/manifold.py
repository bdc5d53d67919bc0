"""A predictor whose rolled-out states are compared with true frames of other speakers."""

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
    from trainables.analysis.on_predictors import measured_too
    from trainables.analysis.rollout_density import ends_of, flow_of, manifold_scores, named_failure

    def measure(structure: Structure, lane: Lane, result: LaneResult) -> tuple[Scores, dict[str, Any]]:
        frames = lane.surrogate
        flow = flow_of(evaluation.flows, train, evaluation.held_out, frames)
        watched, judged = (
            ends_of(structure, result.state, feed, frames)
            for feed in (evaluation.held_out, evaluation.judged)
        )
        scores = manifold_scores(flow.log_prob, watched, judged, train.frame_rate)
        return scores, {"failure": named_failure(scores)}

    results = PREDICTS.train(structure, lanes, train, evaluation, context)
    return measured_too(structure, lanes, results, evaluation, measure)


TRAINABLE = replace(PREDICTS, train=_train, distributes=False)
