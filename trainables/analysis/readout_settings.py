"""What a readout is told: whether it is linear, and of how much past."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.contract import CosineLane, SharedSettings
from trainables.setting_checks import require

LINEAR, NONLINEAR = "linear", "mlp"
READOUTS = (LINEAR, NONLINEAR)
DIVISORS = (16, 8, 4)  # the bottleneck has D over each of these dimensions
INFORMATION_READ = "readout_information"


def bottleneck_dims(dim: int) -> dict[int, int]:
    """Dimensions of the bottleneck by divisor of the latent dimensions; never none."""
    return {divisor: max(1, dim // divisor) for divisor in DIVISORS}


@dataclass(frozen=True)
class ReadoutStructure(SharedSettings):
    """What the lanes of a pack share."""

    objective: str = INFORMATION_READ
    readout: str = LINEAR  # the encoder: of READOUTS
    readout_window: int = 1  # L, frames that the encoder sees
    encoder_width: int = 128  # hidden units of the nonlinear encoder
    dynamics_width: int = 64  # hidden units of the dynamics
    steps: int = 400  # of the optimiser, for each size of the bottleneck
    batch: int = 32  # windows in a step
    window_frames: int = 32  # frames of such a window
    units: int = 200  # of the echo-state network that stands beside

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "readout", self.readout in READOUTS, f"one of {', '.join(READOUTS)}")
        for name in ("readout_window", "encoder_width", "dynamics_width", "steps", "batch", "units"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "window_frames", self.window_frames >= 2, "at least 2")


@dataclass(frozen=True)
class ReadoutLane(CosineLane):
    """What one lane has of its own; its seed begins the weights and draws the windows."""
