"""What lanes share that correct by a score or are taught by one: the score, and the predictor of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.analysis.score_settings import ScoreLane, ScoreStructure
from trainables.contract import Auxiliary
from trainables.latents.batching.surrogates import Surrogate

if TYPE_CHECKING:
    from trainables.latents.batching.feed import Feed

# What a predictor is trained with, beside what a lane has of its own.
_OF_FORECASTER = ("context", "horizon", "head", "predictor_width", "predictor_epochs", "predictor_steps")


def shared_score(structure: ScoreStructure, surrogate: Surrogate) -> Auxiliary:
    """The score model that lanes of a structure share, whatever their seeds."""
    settings = {
        "sigma": structure.sigma,
        "width": structure.score_width,
        "steps": structure.score_steps,
        "batch": structure.score_batch,
    }
    return Auxiliary(
        kind="score",
        title="scores of single frames",
        surrogate=surrogate,
        settings=tuple(settings.items()),
        fit=_fit_score,
    )


def shared_forecaster(structure: ScoreStructure, lane: ScoreLane) -> Auxiliary:
    """The predictor that lanes of a seed share, whatever is done with its runs, or with itself."""
    ours = {name: getattr(structure, name) for name in _OF_FORECASTER}
    return Auxiliary(
        kind="forecaster",
        title="predictors that run freely",
        surrogate=lane.surrogate,
        settings=(*ours.items(), ("learning_rate", lane.learning_rate), ("seed", lane.seed)),
        fit=_fit_forecaster,
    )


def _fit_score(wanted: Auxiliary, train: Feed, held_out: Feed) -> dict[str, Any]:
    from trainables.analysis.score_model import fit_shared_score  # torch takes seconds to load

    return fit_shared_score(wanted, train, held_out)


def _fit_forecaster(wanted: Auxiliary, train: Feed, held_out: Feed) -> dict[str, Any]:
    from trainables.analysis.score_predictor import trained_weights  # likewise

    given = dict(wanted.settings)
    structure = ScoreStructure(**{name: given.pop(name) for name in _OF_FORECASTER})
    return trained_weights(structure, ScoreLane(**given, surrogate=wanted.surrogate), train, held_out)
