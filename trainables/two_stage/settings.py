"""What a generator of one or of two stages is told: where magnitudes come from, what directions follow."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.analysis.score_settings import SKILL_STEPS
from trainables.contract import CosineLane, SharedSettings
from trainables.errors import InputError
from trainables.setting_checks import require

JOINT, EMPIRICAL, GLOBAL = "joint", "empirical", "global_features"
MAGNITUDE_SOURCES = (JOINT, EMPIRICAL, GLOBAL)
DIRECTIONS, STATE = "directions", "state"
LOOPS = (DIRECTIONS, STATE)
WHITENED, RAW = "whitened", "raw"
FEWEST_CONTEXT = 3  # frames: two steps, between which there is an angle


@dataclass(frozen=True)
class TwoStageStructure(SharedSettings):
    """What the lanes of a pack share."""

    objective: str = f"energy_skill@1-{SKILL_STEPS}"
    # Of each step, from the law that also gives its direction ("joint": one stage); or drawn afterwards, from
    # all training steps ("empirical"), or given what was heard so far ("global_features").
    magnitudes: str = JOINT
    # What directions follow: the frames that steps lead to ("state"), or the directions before them and the
    # true frames before the run ("directions"), so that magnitudes can wait until all directions are known:
    # the network then reads the path of the same directions at steps of one length.
    loop: str = STATE
    coordinates: str = WHITENED  # in which steps have direction and magnitude: "whitened", or the codec's own
    width: int = 64  # hidden units
    steps: int = 500  # of the optimiser
    batch: int = 32  # windows in such a step
    samples: int = 8  # free runs from each start
    context: int = 16  # true frames before a run starts
    horizon: int = 16  # frames of a run
    seconds: float = 1.0  # of a run that is decoded
    utterances: int = 2  # of each speaker, at most, that are decoded

    def __post_init__(self) -> None:
        super().__post_init__()
        named = (("magnitudes", MAGNITUDE_SOURCES), ("loop", LOOPS), ("coordinates", (WHITENED, RAW)))
        for name, allowed in named:
            require(self, name, getattr(self, name) in allowed, f"one of {', '.join(allowed)}")
        for name in ("width", "steps", "batch", "utterances"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "samples", self.samples >= 2, "at least 2")
        require(self, "context", self.context >= FEWEST_CONTEXT, f"at least {FEWEST_CONTEXT}")
        require(self, "horizon", self.horizon >= SKILL_STEPS, f"at least {SKILL_STEPS}")
        require(self, "seconds", self.seconds > 0, "above 0")
        if self.magnitudes == JOINT and self.loop == DIRECTIONS:
            raise InputError(
                "loop is 'directions' and magnitudes 'joint', which come with each direction and lead to a "
                "state; set loop to 'state', or magnitudes to 'empirical' or 'global_features'"
            )


@dataclass(frozen=True)
class TwoStageLane(CosineLane):
    """What one lane has of its own; its seed begins the weights, and draws windows and samples."""
