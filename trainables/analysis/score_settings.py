"""What a correction by the score, or teaching by it, is told: of which forecaster, how, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.contract import OwnSettings, SharedSettings
from trainables.errors import InputError
from trainables.predictor.config import FITTED_HEADS, Structure
from trainables.setting_checks import require

TRAINED, OF_WORLD = "predictor", "world"
FORECASTERS = (TRAINED, OF_WORLD)
TWEEDIE, LANGEVIN = "tweedie", "langevin"
CORRECTIONS = (TWEEDIE, LANGEVIN)
BY_SCORE, WHITENED_ERROR = "score", "whitened"
SCORE_LOSSES = ("", BY_SCORE, WHITENED_ERROR)
MOST_EXPLORED = 400  # windows that rank lanes
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
    windows: int = 0  # most windows that judge, evenly spread; 0 = all
    head: str = "vmf"  # of the predictor
    predictor_width: int = 64  # hidden units of the predictor
    predictor_epochs: int = 3  # of teacher forcing
    # Optimiser steps per epoch; 0 = as many as a pass over the training frames takes.
    predictor_steps: int = 0
    score_width: int = 128  # hidden units of the score model, in each of three layers
    score_steps: int = 1500  # optimiser steps of the score model
    score_batch: int = 256  # frames in such a step
    # By what a trained predictor is taught further beside NLL, and then judged without a correction: "score",
    # how the score of its samples differs from that of true frames; "whitened", the same with the score of a
    # Gaussian, which is a whitened squared error; "" = it is not.
    score_loss: str = ""
    # Of that loss beside NLL: at 1 a training frame at random, in the place of a sample, costs D / 2 nats.
    score_loss_weight: float = 0.03
    further_steps: int = 500  # optimiser steps of that teaching, and of NLL alone, which it is compared with
    further_rate: float = 1e-3  # learning rate of both at the start; a cosine brings it to 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in (("forecaster", FORECASTERS), ("correction", CORRECTIONS)):
            require(self, name, getattr(self, name) in allowed, f"one of {', '.join(allowed)}")
        wanted = f"one of {', '.join(SCORE_LOSSES[1:])}, or empty"
        require(self, "score_loss", self.score_loss in SCORE_LOSSES, wanted)
        require(self, "score_loss_weight", self.score_loss_weight >= 0, "0 or more")
        require(self, "further_rate", self.further_rate > 0, "above 0")
        require(self, "sigma", self.sigma > 0, "above 0")
        require(self, "samples", self.samples >= 2, "at least 2")
        require(self, "horizon", self.horizon >= SKILL_STEPS, f"at least {SKILL_STEPS}")
        counts = ("langevin_steps", "context", "predictor_width", "predictor_epochs")
        for name in (*counts, "score_width", "score_steps", "score_batch", "further_steps"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("windows", "predictor_steps"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        if self.score_loss and self.forecaster != TRAINED:
            raise InputError(
                f"score_loss is {self.score_loss!r} and forecaster {self.forecaster!r}, which cannot be "
                f"taught; set forecaster to {TRAINED!r}, or score_loss to ''"
            )
        if self.score_loss and self.head in FITTED_HEADS:
            raise InputError(
                f"score_loss is {self.score_loss!r} and head {self.head!r}, which is fitted in closed form; "
                "choose a head that is trained, or set score_loss to ''"
            )

    def most_windows(self, exploring: bool) -> int:
        """The most windows that judge a lane, or rank it where it is explored; 0 = all."""
        return min(filter(None, (self.windows, MOST_EXPLORED if exploring else 0)), default=0)

    @property
    def step_frames(self) -> int:
        """Frames in an optimiser step of the predictor."""
        return Structure.batch * (self.context + 1)


@dataclass(frozen=True)
class ScoreLane(OwnSettings):
    """What one lane has of its own; its seed begins the predictor, and draws noise."""

    learning_rate: float = 5e-3  # of the predictor

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "learning_rate", self.learning_rate > 0, "above 0")
