"""The randomness of training: which windows a lane sees, and the noise that goes with them.

A lane draws from streams of its own, one per purpose, seeded by its seed and the epoch; neighbours, workers
and interruptions shift none of them.

Shapes: L lanes, B windows, T frames of a window, D latent dimensions.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.predictor.config import Lane, Structure
from trainables.predictor.model.losses import WindowNoise

# Optimiser steps that are drawn at once, and at most how many numbers of a lane: few calls, little memory.
_STEPS_DRAWN = 8
_NUMBERS_DRAWN = 1 << 20


class StepNoise(NamedTuple):
    """What one optimiser step draws.

    Attributes:
        starts_LB: uniform, for the windows of all slots; float64, on the CPU.
        noise: noise of the worker's own slots; the leading dimension of every tensor is the lane.
    """

    starts_LB: Tensor
    noise: WindowNoise


def epoch_noise(
    structure: Structure,
    lanes: Sequence[Lane],
    like: Tensor,
    epoch: int,
    steps: int,
    owned: np.ndarray,
    *,
    laws_draw: bool,
    runs: int = 1,
) -> Iterator[StepNoise]:
    """Yield the noise of every step of an epoch.

    Every worker draws that of the whole batch and keeps what belongs to its own slots, so that the number of
    workers changes nothing.

    Args:
        like: [..., D], with the device and precision wanted.
        steps: of the epoch.
        owned: the slots of this worker.
        laws_draw: whether anybody samples from a law; else the noise of laws is zeros, of size 1 where it
            would be D + 1 and more.
        runs: how many runs draw from laws; the noise of all but the first stands behind everything else.
    """
    dim = like.shape[-1]
    streams = [_streams(lane, epoch) for lane in lanes]
    factors = structure.factors + structure.further_normals(dim)
    factors += (runs - 1) * (dim + 1 + structure.factors)
    sigma, most = (
        torch.tensor([getattr(lane, name) for lane in lanes], dtype=torch.float64).view(-1, 1, 1, 1, 1)
        for name in ("input_noise", "input_mix")
    )
    frames, own = structure.window_frames, torch.as_tensor(owned)

    at_once = max(1, min(_STEPS_DRAWN, _NUMBERS_DRAWN // (structure.batch * frames * dim)))
    for first in range(0, steps, at_once):
        shape = (min(at_once, steps - first), structure.batch, frames)
        starts = _draw(torch.rand, streams, "starts", shape[:2])
        replace = _draw(torch.rand, streams, "replace", shape)[:, :, own]
        none = torch.zeros(len(lanes), shape[0], len(own), frames, 2, dtype=torch.float64)
        normal, uniform, inputs, units = none[..., :1], none, none[..., :1], none[:, :, :, 0, :1]
        if laws_draw:
            normal = _draw(torch.randn, streams, "normal", (*shape, dim + 1))[:, :, own]
            if factors:
                more = _draw(torch.randn, streams, "factors", (*shape, factors))[:, :, own]
                normal = torch.cat([normal, more], -1)
            uniform = _draw(torch.rand, streams, "uniform", (*shape, 2))[:, :, own]
            if runs > 1:
                more = _draw(torch.rand, streams, "runs", (*shape, 2 * (runs - 1)))[:, :, own]
                uniform = torch.cat([uniform, more], -1)
        if sigma.any():
            inputs = _draw(torch.randn, streams, "input", (*shape, dim))[:, :, own] * sigma
        if most.any():
            share = most * _draw(torch.rand, streams, "share", (*shape, 1))[:, :, own]
            mixed = share.sqrt() * _draw(torch.randn, streams, "mixed", (*shape, dim))[:, :, own]
            inputs = torch.cat([inputs + mixed, share], -1)
        if structure.dropout:
            units = _draw(torch.rand, streams, "units", (*shape[:2], structure.width))[:, :, own]
        drawn = [part.to(like) for part in (replace, normal, uniform, inputs, units)]
        for step in range(shape[0]):
            replace_LBT, normal_LBTE, uniform_LBT2, input_LBTD, unit_LBH = (part[:, step] for part in drawn)
            noise = WindowNoise(replace_LBT, LawNoise(normal_LBTE, uniform_LBT2), input_LBTD, unit_LBH)
            yield StepNoise(starts[:, step], noise)


def _draw(
    make: Callable[..., Tensor],
    streams: Sequence[dict[str, torch.Generator]],
    purpose: str,
    shape: Sequence[int],
) -> Tensor:
    """Random numbers [L, *shape], float64, each lane's from its own stream."""
    return torch.stack([make(shape, generator=own[purpose], dtype=torch.float64) for own in streams])


def _streams(lane: Lane, epoch: int) -> dict[str, torch.Generator]:
    purposes = ("starts", "replace", "normal", "uniform", "input")
    streams = {
        purpose: torch.Generator().manual_seed(
            ((lane.seed * 1_000_003 + epoch) * len(purposes) + number) % 2**63
        )
        for number, purpose in enumerate(purposes)
    }
    # Seeded apart: with one more purpose above, every stream would be another.
    for purpose in ("factors", "units", "runs", "share", "mixed"):
        name = f"{purpose} of lane {lane.seed} in epoch {epoch}"
        streams[purpose] = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return streams
