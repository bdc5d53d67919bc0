"""What a beta-VAE bottleneck is asked to be, and how it is trained: data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainables.errors import InputError


@dataclass(frozen=True)
class BottleneckSettings:
    """Weights of the losses, sizes, and the way of training."""

    beta: float = 0.1  # of the KL; 1 is the evidence bound, at which much of what is heard is given up
    smoothness: float = 0.0  # nats for codes that move as white noise does are twice this
    predictability: float = 0.0  # nats for codes of which the past says nothing
    epochs: int = 60  # at most; validation speakers choose which counts
    width: int = 128  # of encoder and decoder
    blocks: int = 2  # residual ones, in each
    past: int = 4  # frames that the linear predictor of the predictability loss sees
    frames: int = 16  # of a window
    batch: int = 64  # windows
    steps: int = 100  # of an epoch
    patience: int = 8  # epochs without a better one after which training ends
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("beta", "smoothness", "predictability"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"--{name} is {value:g}; it must be a number of at least 0")
        if self.epochs < 1:
            raise InputError(f"--epochs is {self.epochs}; it must be at least 1")

    @property
    def suffix(self) -> str:
        """What distinguishes representations of one size, ``-smoothness10``; the usual is not named."""
        usual = BottleneckSettings()
        names = ("beta", "smoothness", "predictability")
        own = {name: getattr(self, name) for name in names}
        return "".join(f"-{name}{value:g}" for name, value in own.items() if value != getattr(usual, name))
