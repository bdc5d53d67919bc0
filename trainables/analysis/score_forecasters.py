"""What runs freely and is corrected at each step: a trained predictor, or the model that a world comes with.

Shapes: N runs, C frames of context, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.score_auxiliaries import shared_forecaster
from trainables.analysis.score_predictor import predictor_settings
from trainables.analysis.score_settings import OF_WORLD, ScoreLane, ScoreStructure
from trainables.contract import Evaluation
from trainables.distributions.law import LawNoise
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.worlds.catalogue import WORLDS
from trainables.predictor.evaluation.replay import lane as predictor_of
from trainables.predictor.model.predictor import AnyPredictor


class FreeForecaster(Protocol):
    """Draws frames one after another, each after the frames that it was shown."""

    def begin(self, context_NCD: Tensor) -> Any:
        """What it remembers of the true frames before a run."""

    def draw(self, memory: Any, noise: LawNoise) -> Tensor:
        """The next frames [N, D]."""

    def show(self, memory: Any, frame_ND: Tensor) -> Any:
        """What it remembers once a frame, corrected or not, has come next."""


def forecaster_of(
    structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation
) -> tuple[FreeForecaster, Mapping[str, Tensor]]:
    """The forecaster that a lane corrects, with its weights.

    Raises:
        InputError: the frames are of no world that comes with a model, and its model is asked for.
    """
    if structure.forecaster == OF_WORLD:
        return _WorldForecaster.of(evaluation), {}
    weights = evaluation.fitted(shared_forecaster(structure, lane), train)
    predictor = predictor_of(predictor_settings(structure, train), weights, train.dim)
    return SampledPredictor(predictor.double()), weights


class SampledPredictor:
    """A predictor whose samples are fed back."""

    def __init__(self, predictor: AnyPredictor) -> None:
        self._predictor = predictor

    def begin(self, context_NCD: Tensor) -> Any:
        h_NCH, state = self._predictor.backbone.read(context_NCD)
        return h_NCH[:, -1], state, context_NCD[:, -1]

    def draw(self, memory: Any, noise: LawNoise) -> Tensor:
        h_NH, _, z_ND = memory
        delta_ND: Tensor = self._predictor.head(h_NH).sample(noise)
        return z_ND + delta_ND

    def show(self, memory: Any, frame_ND: Tensor) -> Any:
        h_NH, state = self._predictor.backbone.step(frame_ND, memory[1])
        return h_NH, state, frame_ND


class _WorldForecaster:
    """The model that comes with a world, which works in the units of its frames."""

    def __init__(self, world: Any, rms: float) -> None:
        self._world, self._rms = world, rms

    @classmethod
    def of(cls, evaluation: Evaluation) -> _WorldForecaster:
        name = (evaluation.world or {}).get("name", "")
        if not hasattr(WORLDS.get(name), "model_step"):
            raise InputError(
                f"forecaster is {OF_WORLD!r}, but {name or 'these latents'} come with no model; "
                "it must be 'predictor' on them"
            )
        return cls(WORLDS[name], evaluation.rms)

    def begin(self, context_NCD: Tensor) -> Tensor:
        return context_NCD[:, -1]

    def draw(self, memory: Tensor, noise: LawNoise) -> Tensor:
        drawn = self._world.model_step(memory.numpy() * self._rms, _Drawn(noise.normal[..., :-1].numpy()))
        return torch.from_numpy(drawn / self._rms)

    def show(self, memory: Tensor, frame_ND: Tensor) -> Tensor:
        return frame_ND


class _Drawn:
    """Stands for a generator of a single draw that was made before."""

    def __init__(self, noise: np.ndarray) -> None:
        self._noise = noise

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._noise.reshape(shape)
