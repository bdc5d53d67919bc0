"""The settings of a beta-VAE bottleneck: weights of its losses, sizes, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainables.errors import InputError


@dataclass(frozen=True, kw_only=True)
class BottleneckSettings:
    """Settings of a bottleneck and of its training.

    Attributes:
        beta: weight of the KL; 1 is the evidence bound, at which much of what is heard is given up.
        smoothness: weight of the smoothness loss; codes that move as white noise does cost twice that many
            nats.
        predictability: weight of the predictability loss; codes of which the past says nothing cost that
            many nats.
        epochs: most epochs; validation speakers choose the one that counts.
        width: hidden units of the encoder and of the decoder.
        blocks: residual blocks of each of them.
        past: frames that the linear predictor of the predictability loss sees.
        frames: length of a window.
        batch: windows of a step.
        steps: optimiser steps of an epoch.
        patience: epochs without a better one after which training ends.
        learning_rate: of Adam in the first step; it falls to 0 along half a cosine.
        seed: of the first weights, the windows and the noise.

    Raises:
        InputError: the weight of a loss is negative or not finite, or there is no epoch.
    """

    beta: float = 0.1
    smoothness: float = 0.0
    predictability: float = 0.0
    epochs: int = 60
    width: int = 128
    blocks: int = 2
    past: int = 4
    frames: int = 16
    batch: int = 64
    steps: int = 100
    patience: int = 8
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
        """The part of a representation's name that says its losses, ``-smoothness10``, defaults left out."""
        default = BottleneckSettings()
        weights = {name: getattr(self, name) for name in ("beta", "smoothness", "predictability")}
        return "".join(f"-{name}{v:g}" for name, v in weights.items() if v != getattr(default, name))
