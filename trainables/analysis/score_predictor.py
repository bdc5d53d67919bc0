"""The predictor whose runs a score corrects, or that it teaches: how it is trained at first."""

from __future__ import annotations

from torch import Tensor

from trainables.analysis.score_settings import ScoreLane, ScoreStructure
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext


def predictor_settings(structure: ScoreStructure, train: Feed) -> Structure:
    """What a predictor of such frames is trained with."""
    return Structure(
        head=structure.head,
        width=structure.predictor_width,
        context=structure.context,
        rollout=1,
        horizon=structure.horizon,
        steps=structure.predictor_steps,
        teacher_epochs=structure.predictor_epochs,
        rollout_epochs=0,
        objective="-nll",
        dtype=str(next(iter(train.chunks())).frames_SND.dtype).removeprefix("torch."),
    )


def trained_weights(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, held_out: Feed
) -> dict[str, Tensor]:
    """The weights of a predictor that was taught by NLL, by teacher forcing."""
    settings = predictor_settings(structure, train)
    own = Lane(seed=lane.seed, surrogate=lane.surrogate, learning_rate=lane.learning_rate)
    context = SoloContext(train.device)
    (result,) = train_pack(settings, [own], train, held_out, context, evaluate_each_epoch=True)
    return result.state
