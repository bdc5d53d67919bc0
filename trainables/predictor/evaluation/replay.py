"""What a trained lane does on true windows: where its free runs arrive, and what it expects next.

Shapes: B windows, T = C + K frames of a window, C of context, K rollout steps, D dimensions.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.distributions.law import Law
from trainables.latents.batching.shard import Shard
from trainables.predictor.config import Structure
from trainables.predictor.model.predictor import Predictor, build_predictor
from trainables.predictor.model.rollout import free_run

_AT_ONCE = 256  # windows


@dataclass(frozen=True)
class Windows:
    """Some evaluation windows of a shard."""

    frames_BTD: Tensor
    starts_B: np.ndarray  # first frame of each, as a row of the shard
    owners_B: np.ndarray  # utterance of each
    names: list[str]  # that do not depend on what else the shard holds


def windows_of(structure: Structure, shard: Shard) -> Iterator[Windows]:
    """The windows that the lane is evaluated on, real frames, block by block."""
    starts, owners = shard.evaluation_windows(structure.context, structure.horizon)
    for first in range(0, len(starts), _AT_ONCE):
        own, whose = starts[first : first + _AT_ONCE], owners[first : first + _AT_ONCE]
        real = torch.zeros(1, dtype=torch.long)
        frames = shard.gather(torch.from_numpy(own)[None], structure.context + structure.horizon, real)[0]
        names = [f"{shard.ids[u]}/{start - shard.offsets[u]}" for u, start in zip(whose, own, strict=True)]
        yield Windows(frames.to(getattr(torch, structure.dtype)), own, whose, names)


def lane(structure: Structure, weights: Mapping[str, Tensor], dim: int) -> Predictor:
    """The predictor of one trained lane."""
    predictor = build_predictor(structure, dim).to(getattr(torch, structure.dtype))
    predictor.load_state_dict(dict(weights))
    return predictor.eval()


@torch.no_grad()
def reached_states(structure: Structure, predictor: Predictor, windows: Windows) -> Tensor:
    """The state after each step of a free run from the context, [B, K, D].

    Sampled feedback draws noise that depends on a window's name alone.
    """
    context, horizon = structure.context, structure.horizon
    h_BCH, memory = predictor.backbone.read(windows.frames_BTD[:, :context])
    last_BD = windows.frames_BTD[:, context - 1]
    noise = _noise(windows.names, horizon, last_BD)
    _, delta_BKD = free_run(
        predictor,
        h_BCH[:, -1],
        memory,
        last_BD,
        horizon,
        structure.feedback,
        *noise,
        temperature=structure.temperature,
    )
    return last_BD.unsqueeze(1) + delta_BKD.cumsum(1)


@torch.no_grad()
def expected(structure: Structure, predictor: Predictor, windows: Windows) -> tuple[Law, Tensor]:
    """The law of each step of the horizon given its true past, and the true steps [B, K, D]."""
    context, frames_BTD = structure.context, windows.frames_BTD
    h_BCH, memory = predictor.backbone.read(frames_BTD[:, :context])
    h_more, _ = predictor.backbone.read(frames_BTD[:, context:-1], memory)
    law = predictor.head(torch.cat([h_BCH[:, -1:], h_more], 1))
    return law, frames_BTD[:, context:] - frames_BTD[:, context - 1 : -1]


def _noise(names: Sequence[str], steps: int, like_BD: Tensor) -> tuple[Tensor, Tensor]:
    """Normal [B, K, D + 1] and uniform [B, K, 2]."""
    normal, uniform = [], []
    for name in names:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        normal.append(torch.randn(steps, like_BD.shape[-1] + 1, generator=generator, dtype=torch.float64))
        uniform.append(torch.rand(steps, 2, generator=generator, dtype=torch.float64))
    return torch.stack(normal).to(like_BD), torch.stack(uniform).to(like_BD)
