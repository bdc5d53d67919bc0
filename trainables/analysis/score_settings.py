"""What a correction by the score is told: which forecaster it corrects, how, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.contract import OwnSettings, SharedSettings
from trainables.setting_checks import require

TRAINED, OF_WORLD = "predictor", "world"
FORECASTERS = (TRAINED, OF_WORLD)
TWEEDIE, LANGEVIN = "tweedie", "langevin"
CORRECTIONS = (TWEEDIE, LANGEVIN)
SKILL_STEPS = 8  # rollout steps over which skill is averaged


@dataclass(frozen=True)
class ScoreStructure(SharedSettings):
    """What the lanes of a pack share."""

    objective: str = "skill_gained"
    forecaster: str = TRAINED  # what runs freely: a predictor, or the model that comes with a control world
    correction: str = TWEEDIE  # of each step: of CORRECTIONS
    sigma: float = 0.2  # noise that a correction takes to be in a frame, in units of the training RMS
    langevin_steps: int = 5  # of a Langevin correction, each of a tenth of sigma^2
    samples: int = 8  # free runs from each start
    context: int = 16  # true frames before a run starts
    horizon: int = 16  # frames of a run
    head: str = "vmf"  # of the predictor
    predictor_width: int = 64  # hidden units of the predictor
    predictor_epochs: int = 3  # of teacher forcing
    score_width: int = 128  # hidden units of the score model, in each of three layers
    score_steps: int = 1500  # optimiser steps of the score model
    score_batch: int = 256  # frames in such a step

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in (("forecaster", FORECASTERS), ("correction", CORRECTIONS)):
            require(self, name, getattr(self, name) in allowed, f"one of {', '.join(allowed)}")
        require(self, "sigma", self.sigma > 0, "above 0")
        require(self, "samples", self.samples >= 2, "at least 2")
        require(self, "horizon", self.horizon >= SKILL_STEPS, f"at least {SKILL_STEPS}")
        counts = ("langevin_steps", "context", "predictor_width", "predictor_epochs")
        for name in (*counts, "score_width", "score_steps", "score_batch"):
            require(self, name, getattr(self, name) >= 1, "at least 1")


@dataclass(frozen=True)
class ScoreLane(OwnSettings):
    """What one lane has of its own; its seed begins predictor and score model, and draws noise."""

    learning_rate: float = 5e-3  # of the predictor

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "learning_rate", self.learning_rate > 0, "above 0")
