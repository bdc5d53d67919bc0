"""Paths of utterances in the coordinates of a lane, with what has been heard of each up to every frame.

A speaker who was never heard has no identity but what was heard so far: this stands for speaker, speaking
rate and length, on which magnitudes may depend.

Shapes: T frames of an utterance, N frames of all, D latent dimensions, F = D + 5 features, B windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.utterance_paths import PathWindows, long_paths
from trainables.distributions.polar import MAGNITUDE_FLOOR
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.heads.base import Whitening
from trainables.two_stage.settings import WHITENED, TwoStageStructure


def split_steps(path: Tensor) -> tuple[Tensor, Tensor]:
    """Directions [..., T - 1, D] and log magnitudes [..., T - 1] of the steps of paths [..., T, D]."""
    steps = path.diff(dim=-2)
    magnitude = steps.norm(dim=-1).clamp_min(MAGNITUDE_FLOOR)
    return steps / magnitude.unsqueeze(-1), magnitude.log()


def heard_so_far(path_TD: Tensor) -> Tensor:
    """Features [T, F] of an utterance up to each frame; those of its first two frames are not defined: 0.

    They are the mean frame (the speaker); mean and deviation of log magnitudes, mean cosine between one step
    and the next, and mean change of log magnitude (the rate); and the log length of the utterance.
    """
    direction, log_m = split_steps(path_TD)
    cosine = (direction[1:] * direction[:-1]).sum(-1)
    change = log_m.diff().abs()
    mean_m = _running_mean(log_m)
    deviation = (_running_mean(log_m.square()) - mean_m.square()).clamp_min(0).sqrt()
    length = torch.full_like(path_TD[:, 0], float(np.log(len(path_TD))))
    columns = [
        *(torch.cat([length.new_zeros(1), figure]) for figure in (mean_m, deviation)),
        *(torch.cat([length.new_zeros(2), _running_mean(figure)]) for figure in (cosine, change)),
        length,
    ]
    frames = _running_mean(path_TD)
    features_TF = torch.cat([torch.stack([each[: len(path_TD)] for each in columns], 1), frames], 1)
    features_TF[:2] = 0
    return features_TF


@dataclass(frozen=True)
class Coordinates:
    """The affine map between the frames of a representation and those that a lane works on."""

    mean_D: Tensor
    factor_DD: Tensor
    inverse_DD: Tensor

    @classmethod
    def of(cls, structure: TwoStageStructure, frames_ND: Tensor) -> Coordinates:
        """Those that a structure asks for, by training frames."""
        if structure.coordinates == WHITENED:
            found = Whitening.fit(frames_ND)
            parts = (found.mean_D, found.factor_DD, found.inverse_DD)
            return cls(*(part.double().cpu() for part in parts))
        identity = torch.eye(frames_ND.shape[1]).double()
        return cls(frames_ND.double().mean(0), identity, identity)

    def inside(self, z: Tensor) -> Tensor:
        """Frames [..., D] of the representation as a lane sees them."""
        return (z - self.mean_D) @ self.inverse_DD.mT

    def outside(self, x: Tensor) -> Tensor:
        """Frames [..., D] that a lane made, in those of the representation."""
        return x @ self.factor_DD.mT + self.mean_D


@dataclass(frozen=True)
class LongPaths(PathWindows):
    """Utterances that are as long as a window, as the lane sees them.

    Attributes:
        features_NF: what was heard up to each frame.
    """

    features_NF: Tensor

    @classmethod
    def heard(cls, paths: list[Tensor], coordinates: Coordinates, window: int) -> LongPaths:
        """Those of some paths that are long enough."""
        inside = [coordinates.inside(path) for path in paths if len(path) >= window]
        features_NF = torch.cat([heard_so_far(path) for path in inside]).float()
        return cls(**vars(PathWindows.of(inside, window)), features_NF=features_NF)


def real_paths(feed: Feed, surrogate: Surrogate, fewest: int) -> list[Tensor]:
    """Paths [T, D] of a feed in one surrogate, as many as are held at once, none shorter than ``fewest``.

    Raises:
        InputError: no utterance is that long.
    """
    found = long_paths(feed, surrogate, fewest)
    if not found:
        raise InputError(
            f"context and horizon are {fewest} frames together, but the longest utterance has "
            f"{max(feed.extent.lengths.values())}; make horizon smaller"
        )
    return found


def _running_mean(values: Tensor) -> Tensor:
    counts = torch.arange(1, len(values) + 1).to(values)
    return values.cumsum(0) / counts.reshape(-1, *[1] * (values.dim() - 1))
