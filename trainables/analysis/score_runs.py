"""What a lane compares: runs that a correction changes, or runs of predictors that were taught differently.

The first of some runs is the one that is asked about, the second is plain.

Shapes: N training frames, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from trainables.analysis.frame_density import some_frames
from trainables.analysis.score_forecasters import (
    FreeForecaster,
    SampledPredictor,
    forecaster_of,
    predictor_settings,
    trained_weights,
)
from trainables.analysis.score_loss import FurtherTeaching, ScoreLoss
from trainables.analysis.score_model import FrameScore, GaussianScore, fit_score
from trainables.analysis.score_settings import BY_SCORE, ScoreLane, ScoreStructure
from trainables.analysis.score_steps import AnyScore, Correction, score_correction, shrinking, untouched
from trainables.contract import Evaluation
from trainables.latents.batching.feed import Feed
from trainables.predictor.evaluation.replay import lane as predictor_of

CORRECTED, PLAIN, SHRUNK, BY_GAUSSIAN = "corrected", "plain", "shrinking", "gaussian_score"
RULES = (CORRECTED, PLAIN, SHRUNK, BY_GAUSSIAN)
TAUGHT = "taught"
_MOST_HELD_OUT = 5_000  # validation frames that choose a moment of the score model


class FreeRun(NamedTuple):
    """What runs freely, and what is done to each frame before it is fed back."""

    forecaster: FreeForecaster
    correction: Correction


def corrected_runs(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation, frames_ND: Tensor
) -> tuple[dict[str, FreeRun], dict[str, Tensor]]:
    """One forecaster under a correction and under its nulls, and all weights."""
    model = _fit_score(structure, lane, evaluation, frames_ND)
    forecaster, weights = forecaster_of(structure, lane, train, evaluation)
    exact = FrameScore(type(model.gaussian).fit(frames_ND), structure.score_width).double()
    exact.network.load_state_dict(model.network.state_dict())
    rules = {
        CORRECTED: score_correction(structure, exact),
        PLAIN: untouched,
        SHRUNK: shrinking(structure, exact, exact.gaussian.mean_D),
        BY_GAUSSIAN: score_correction(structure, exact.gaussian),
    }
    runs = {name: FreeRun(forecaster, rule) for name, rule in rules.items()}
    return runs, _named("forecaster", weights) | _named("score", model.network.state_dict())


def taught_runs(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation, frames_ND: Tensor
) -> tuple[dict[str, FreeRun], dict[str, Tensor]]:
    """A forecaster taught further by NLL and a score loss, the same taught as long by NLL alone, and the
    weights of the first.
    """
    state: dict[str, Tensor] = {}
    if structure.score_loss == BY_SCORE:
        model = _fit_score(structure, lane, evaluation, frames_ND).requires_grad_(False)
        score: AnyScore = model
        state = _named("score", model.network.state_dict())
    else:
        score = GaussianScore.fit(frames_ND.float())
    settings = predictor_settings(structure, train)
    weights = trained_weights(settings, lane, train, evaluation)
    teaching = FurtherTeaching.of(structure, lane, settings, train, evaluation.held_out)
    loss, runs = ScoreLoss.of(score, structure.sigma, frames_ND.float()), {}
    for name, also in ((TAUGHT, loss), (PLAIN, None)):
        predictor = predictor_of(settings, weights, train.dim).float()
        teaching.teach(predictor, also, structure.score_loss_weight)
        if name == TAUGHT:
            state |= _named("forecaster", predictor.state_dict())
        runs[name] = FreeRun(SampledPredictor(predictor.double()), untouched)
    return runs, state


def _fit_score(
    structure: ScoreStructure, lane: ScoreLane, evaluation: Evaluation, frames_ND: Tensor
) -> FrameScore:
    return fit_score(
        frames_ND.float(),
        some_frames(evaluation.held_out, lane.surrogate, _MOST_HELD_OUT).float(),
        sigma=structure.sigma,
        width=structure.score_width,
        steps=structure.score_steps,
        batch=structure.score_batch,
        seed=lane.seed,
    )


def _named(part: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}": value.clone() for name, value in weights.items()}
