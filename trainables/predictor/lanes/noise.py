"""The randomness of training: which windows a lane sees, and the noise that goes with them.

A lane draws from streams of its own, one per purpose, seeded by its seed and the epoch; neighbours, workers
and interruptions shift none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.predictor.config import Lane, Structure

_STEPS_DRAWN, _NUMBERS_DRAWN = (
    8,
    1 << 20,
)  # optimiser steps at once, and numbers of a lane: few calls, little memory


@dataclass
class StepNoise:
    """What one optimiser step draws; the leading dimension is the lane."""

    starts_LB: Tensor  # uniform, for the windows of all slots; float64 on the CPU
    replace_LBT: Tensor  # from here on: of the worker's own slots, as :class:`rollout.Noise` has them
    normal_LBTE: Tensor
    uniform_LBT2: Tensor
    input_LBTD: Tensor


def epoch_noise(
    structure: Structure,
    lanes: Sequence[Lane],
    like: Tensor,
    epoch: int,
    owned: np.ndarray,
    *,
    laws_draw: bool,
) -> Iterator[StepNoise]:
    """The noise of every step of an epoch.

    Every worker draws that of the whole batch and keeps what belongs to its own slots, so that the number of
    workers changes nothing. With ``laws_draw`` False nobody samples, and the noise of laws is zeros of size 1
    where it would be D + 1. ``like`` [..., D] has the device and precision wanted.
    """
    dim = like.shape[-1]
    streams = [_streams(lane, epoch) for lane in lanes]
    sigma = torch.tensor([lane.input_noise for lane in lanes], dtype=torch.float64).view(-1, 1, 1, 1, 1)
    frames, own = structure.context + structure.rollout, torch.as_tensor(owned)

    at_once = max(1, min(_STEPS_DRAWN, _NUMBERS_DRAWN // (structure.batch * frames * dim)))
    for first in range(0, structure.steps, at_once):
        shape = (min(at_once, structure.steps - first), structure.batch, frames)
        none = torch.zeros(len(lanes), shape[0], len(own), frames, 2, dtype=torch.float64)
        parts = (
            _draw(torch.rand, streams, "starts", shape[:2]),
            _draw(torch.rand, streams, "replace", shape)[:, :, own],
            _draw(torch.randn, streams, "normal", (*shape, dim + 1))[:, :, own]
            if laws_draw
            else none[..., :1],
            _draw(torch.rand, streams, "uniform", (*shape, 2))[:, :, own] if laws_draw else none,
            _draw(torch.randn, streams, "input", (*shape, dim))[:, :, own] * sigma
            if sigma.any()
            else none[..., :1],
        )
        parts = (parts[0], *(part.to(like) for part in parts[1:]))
        for step in range(shape[0]):
            yield StepNoise(*(part[:, step] for part in parts))


def _draw(
    make: Callable[..., Tensor],
    streams: Sequence[dict[str, torch.Generator]],
    purpose: str,
    shape: Sequence[int],
) -> Tensor:
    """One tensor of every lane, stacked."""
    return torch.stack([make(shape, generator=own[purpose], dtype=torch.float64) for own in streams])


def _streams(lane: Lane, epoch: int) -> dict[str, torch.Generator]:
    purposes = ("starts", "replace", "normal", "uniform", "input")
    return {
        purpose: torch.Generator().manual_seed(
            ((lane.seed * 1_000_003 + epoch) * len(purposes) + number) % 2**63
        )
        for number, purpose in enumerate(purposes)
    }
