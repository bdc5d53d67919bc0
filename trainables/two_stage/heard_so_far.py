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

from trainables.analysis.readout import utterance_paths
from trainables.distributions.polar import MAGNITUDE_FLOOR
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.heads.base import Whitening
from trainables.two_stage.settings import WHITENED, TwoStageStructure

_MOST_NUMBERS = 64_000_000  # of training frames that are held


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
class LongPaths:
    """Utterances that are as long as a window, end to end.

    Attributes:
        frames_ND: as the lane sees them.
        features_NF: what was heard up to each.
        first_U: where each utterance begins.
        room_U: how many windows it holds.
        window: frames of one.
    """

    frames_ND: Tensor
    features_NF: Tensor
    first_U: Tensor
    room_U: Tensor
    window: int

    @classmethod
    def of(cls, paths: list[Tensor], coordinates: Coordinates, window: int) -> LongPaths:
        """Those of some paths that are long enough."""
        inside = [coordinates.inside(path) for path in paths if len(path) >= window]
        lengths = torch.tensor([len(path) for path in inside], dtype=torch.long)
        return cls(
            torch.cat(inside).float(),
            torch.cat([heard_so_far(path) for path in inside]).float(),
            lengths.cumsum(0) - lengths,
            lengths - window + 1,
            window,
        )

    def drawn(self, count: int, rng: torch.Generator) -> Tensor:
        """First frames [B] of random windows, each as likely as any other."""
        ends_U = self.room_U.cumsum(0)
        draws = torch.randint(int(ends_U[-1]), (count,), generator=rng)
        owner = torch.searchsorted(ends_U, draws, right=True)
        return self.first_U[owner] + draws - (ends_U[owner] - self.room_U[owner])

    def windows(self, starts_B: Tensor) -> Tensor:
        """Windows [B, T, D] that begin at some frames."""
        return self.frames_ND[starts_B[:, None] + torch.arange(self.window)]


def real_paths(feed: Feed, surrogate: Surrogate, fewest: int) -> list[Tensor]:
    """Paths [T, D] of a feed in one surrogate, as many as are held at once, none shorter than ``fewest``.

    Raises:
        InputError: no utterance is that long.
    """
    room, found = _MOST_NUMBERS // feed.dim, list[Tensor]()
    for shard in feed.chunks():
        for path in utterance_paths(shard, feed.surrogates.index(surrogate)):
            if len(path) >= fewest and room > 0:
                found.append(path)
                room -= len(path)
    if not found:
        raise InputError(
            f"context and horizon are {fewest} frames together, but the longest utterance has "
            f"{max(feed.extent.lengths.values())}; make horizon smaller"
        )
    return found


def _running_mean(values: Tensor) -> Tensor:
    counts = torch.arange(1, len(values) + 1).to(values)
    return values.cumsum(0) / counts.reshape(-1, *[1] * (values.dim() - 1))
