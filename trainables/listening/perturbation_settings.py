"""What is done to a true trajectory before it is decoded, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.contract import OwnSettings, SharedSettings
from trainables.setting_checks import require

DOSED = ("turn", "scale", "noise")
# True directions with other magnitudes, and what has neither.
REPLACED = ("empirical", "permuted", "constant", "smoothed")
MOTIONLESS = ("frozen", "mean")
KINDS = (*DOSED, *REPLACED, *MOTIONLESS)


@dataclass(frozen=True)
class PerturbationStructure(SharedSettings):
    """What the lanes of a pack share.

    A dose e moves every frame by e times its distance from where the continuation starts, whatever the kind.
    """

    objective: str = "quality"
    # With a dose: one rigid "turn" of all steps, "scale": steps shrunk and grown, "noise": anyhow.
    # True directions with magnitudes drawn from training steps ("empirical") or from the utterance's own
    # ("permuted"), with the median of training steps ("constant"), or averaged over 5 steps ("smoothed").
    # "frozen" stays at the last true frame, "mean" at the mean of training frames.
    kind: str = "turn"
    low_dose: float = 0.25
    high_dose: float = 0.5
    context_seconds: float = 0.5  # of true frames, by which the decoder comes into its state
    seconds: float = 1.0  # of the continuation
    utterances: int = 4  # of each speaker, at most

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "kind", self.kind in KINDS, f"one of {', '.join(KINDS)}")
        for name in ("low_dose", "high_dose"):
            require(self, name, 0 < getattr(self, name) < 1, "above 0 and below 1")
        for name in ("context_seconds", "seconds"):
            require(self, name, getattr(self, name) > 0, "above 0")
        require(self, "utterances", self.utterances >= 1, "at least 1")

    @property
    def doses(self) -> tuple[tuple[str, float], ...]:
        """Each dose with its name; one without a name where the kind has none."""
        return (("low", self.low_dose), ("high", self.high_dose)) if self.kind in DOSED else (("", 0.0),)


@dataclass(frozen=True)
class PerturbationLane(OwnSettings):
    """What one lane has of its own; its seed draws the planes of a turn, the displacement, or magnitudes."""
