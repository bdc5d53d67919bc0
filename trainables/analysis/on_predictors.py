"""Trainables that are a predictor, trained as ever, of which something more is measured once it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainables.contract import Evaluation
from trainables.latents.batching.surrogates import SURROGATES
from trainables.predictor.config import Lane, Structure
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.lane_result import LaneResult

# More scores of the same speakers, and details, of a lane with its weights.
Measure = Callable[[Structure, Lane, LaneResult], tuple[Scores, dict[str, Any]]]


def measured_too(
    structure: Structure,
    lanes: Sequence[Lane],
    results: Sequence[LaneResult],
    evaluation: Evaluation,
    measure: Measure,
) -> list[LaneResult]:
    """The results with the scores that ``measure`` adds; as they were while exploring, and on plants."""
    for lane, result in zip(lanes, results, strict=True):
        is_known = result.status is LaneStatus.FINISHED and result.scores is not None
        if evaluation.exploring or not is_known or lane.surrogate not in SURROGATES:
            continue
        more, details = measure(structure, lane, result)
        result.scores = _with(Scores.from_json(result.scores or {}), more).to_json()
        result.details.update(details)
    return list(results)


def _with(scores: Scores, more: Scores) -> Scores:
    """Scores with those of other metrics beside them; speakers without any have counted nothing."""
    row = [scores.speakers.index(speaker) for speaker in more.speakers]
    for mine, theirs in ((scores.sums, more.sums), (scores.counts, more.counts)):
        for name, values_S in theirs.items():
            mine[name] = np.zeros(len(scores.speakers))
            mine[name][row] = values_S
    return scores
