"""What a lane compares: runs that a correction changes, or runs of predictors that were taught differently.

The first of some runs is the one that is asked about, the second is plain.

Shapes: N training frames, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from trainables.analysis.score_auxiliaries import shared_forecaster, shared_score
from trainables.analysis.score_forecasters import FreeForecaster, SampledPredictor, forecaster_of
from trainables.analysis.score_loss import FurtherTeaching, ScoreLoss
from trainables.analysis.score_model import GaussianScore, score_of
from trainables.analysis.score_predictor import predictor_settings
from trainables.analysis.score_settings import BY_SCORE, ScoreLane, ScoreStructure
from trainables.analysis.score_steps import AnyScore, Correction, score_correction, shrinking, untouched
from trainables.contract import Evaluation
from trainables.latents.batching.feed import Feed
from trainables.predictor.evaluation.replay import lane as predictor_of

CORRECTED, PLAIN, SHRUNK, BY_GAUSSIAN = "corrected", "plain", "shrinking", "gaussian_score"
RULES = (CORRECTED, PLAIN, SHRUNK, BY_GAUSSIAN)
TAUGHT = "taught"


class FreeRun(NamedTuple):
    """What runs freely, and what is done to each frame before it is fed back."""

    forecaster: FreeForecaster
    correction: Correction


def corrected_runs(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation, frames_ND: Tensor
) -> tuple[dict[str, FreeRun], dict[str, Tensor]]:
    """One forecaster under a correction and under its nulls, and all weights."""
    learnt = evaluation.fitted(shared_score(structure, lane.surrogate), train)
    score = score_of(frames_ND, structure.score_width, learnt)
    forecaster, weights = forecaster_of(structure, lane, train, evaluation)
    rules = {
        CORRECTED: score_correction(structure, score),
        PLAIN: untouched,
        SHRUNK: shrinking(structure, score, score.gaussian.mean_D),
        BY_GAUSSIAN: score_correction(structure, score.gaussian),
    }
    runs = {name: FreeRun(forecaster, rule) for name, rule in rules.items()}
    return runs, _named("forecaster", weights) | _named("score", learnt)


def taught_runs(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation, frames_ND: Tensor
) -> tuple[dict[str, FreeRun], dict[str, Tensor]]:
    """A forecaster taught further by NLL and a score loss, the same taught as long by NLL alone, and the
    weights of the first.
    """
    state: dict[str, Tensor] = {}
    if structure.score_loss == BY_SCORE:
        learnt = evaluation.fitted(shared_score(structure, lane.surrogate), train)
        score: AnyScore = score_of(frames_ND.float(), structure.score_width, learnt).requires_grad_(False)
        state = _named("score", learnt)
    else:
        score = GaussianScore.fit(frames_ND.float())
    settings = predictor_settings(structure, train)
    weights = evaluation.fitted(shared_forecaster(structure, lane), train)
    teaching = FurtherTeaching.of(structure, lane, settings, train, evaluation.held_out)
    loss, runs = ScoreLoss.of(score, structure.sigma, frames_ND.float()), {}
    for name, also in ((TAUGHT, loss), (PLAIN, None)):
        predictor = predictor_of(settings, weights, train.dim).float()
        teaching.teach(predictor, also, structure.score_loss_weight)
        if name == TAUGHT:
            state |= _named("forecaster", predictor.state_dict())
        runs[name] = FreeRun(SampledPredictor(predictor.double()), untouched)
    return runs, state


def _named(part: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}": value.clone() for name, value in weights.items()}
