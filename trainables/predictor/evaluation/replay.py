"""What a trained lane does on true windows: where its free runs arrive, and what it expects next.

Shapes: B windows, T = C + K frames of a window, C of context, K rollout steps, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.distributions.law import Law
from trainables.latents.batching.shard import Shard
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.windows import window_names, window_noise
from trainables.predictor.model.closed_form import Baseline
from trainables.predictor.model.predictor import AnyPredictor, Predictor, build_predictor
from trainables.predictor.model.rollout import Start, free_run

_AT_ONCE = 256  # windows


@dataclass(frozen=True)
class Windows:
    """Some evaluation windows of a shard.

    Attributes:
        frames_BTD: true frames, in units of the training RMS.
        starts_B: first frame of each window, as a row of the shard.
        owners_B: utterance of each window, as an index into the shard's.
        names: names that do not depend on what else the shard holds.
    """

    frames_BTD: Tensor
    starts_B: np.ndarray
    owners_B: np.ndarray
    names: list[str]


def windows_of(structure: Structure, shard: Shard) -> Iterator[Windows]:
    """Yield the windows of real frames that a lane is evaluated on, block by block."""
    starts, owners = shard.evaluation_windows(structure.context, structure.horizon)
    names = window_names(shard, starts, owners)
    for first in range(0, len(starts), _AT_ONCE):
        block = slice(first, first + _AT_ONCE)
        starts_1B, real = torch.from_numpy(starts[block])[None], torch.zeros(1, dtype=torch.long)
        frames = shard.gather(starts_1B, structure.context + structure.horizon, real)[0]
        yield Windows(frames.to(getattr(torch, structure.dtype)), starts[block], owners[block], names[block])


def lane(structure: Structure, weights: Mapping[str, Tensor], dim: int) -> Predictor | Baseline:
    """The predictor of one trained lane, with the ``weights`` that its result holds, on the CPU."""
    predictor = build_predictor(structure, dim).to(getattr(torch, structure.dtype))
    predictor.load_state_dict(dict(weights))
    return predictor.eval()


@torch.no_grad()
def reached_states(structure: Structure, predictor: AnyPredictor, windows: Windows) -> Tensor:
    """The state after each step of a free run from the context, [B, K, D].

    Sampled feedback draws noise that depends on a window's name alone.
    """
    context, horizon = structure.context, structure.horizon
    h_BCH, memory = predictor.backbone.read(windows.frames_BTD[:, :context])
    last_BD = windows.frames_BTD[:, context - 1]
    _, delta_BKD = free_run(
        predictor,
        Start(h_BCH[:, -1], memory, last_BD),
        horizon,
        structure.feedback,
        window_noise(windows.names, (horizon,), last_BD, structure.evaluation_normals(last_BD.shape[-1])),
        temperature=structure.temperature,
        read_noise=structure.inference_noise,
    )
    return last_BD.unsqueeze(1) + delta_BKD.cumsum(1)


@torch.no_grad()
def expected(structure: Structure, predictor: AnyPredictor, windows: Windows) -> tuple[Law, Tensor]:
    """The law of each step of the horizon given its true past, and the true steps [B, K, D]."""
    context, frames_BTD = structure.context, windows.frames_BTD
    h_BCH, memory = predictor.backbone.read(frames_BTD[:, :context])
    h_more, _ = predictor.backbone.read(frames_BTD[:, context:-1], memory)
    law = predictor.head(torch.cat([h_BCH[:, -1:], h_more], 1))
    return law, frames_BTD[:, context:] - frames_BTD[:, context - 1 : -1]
