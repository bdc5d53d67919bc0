"""Latents continued by a trained predictor, to be listened to.

Shapes: C frames of context, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.predictor.config import Structure
from trainables.predictor.model.predictor import build_predictor
from trainables.predictor.model.rollout import Start, free_run


@torch.no_grad()
def continue_from(
    structure: Structure, state: Mapping[str, Tensor], context_CD: Tensor, frames: int
) -> Tensor:
    """Let one trained lane run free from true frames: [frames, D], in units of the training RMS.

    Args:
        state: the lane's weights, as its :class:`LaneResult` holds them.
        context_CD: true frames before the run, in the same units.
        frames: how long to run; noise, where the feedback rule needs it, is seeded by 0.
    """
    dim = context_CD.shape[-1]
    predictor = build_predictor(structure, dim).to(context_CD.dtype)
    predictor.load_state_dict(dict(state))
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1, frames, dim + 1, generator=generator, dtype=context_CD.dtype)
    uniform = torch.rand(1, frames, 2, generator=generator, dtype=context_CD.dtype)
    more = torch.randn(1, frames, structure.factors, generator=generator, dtype=context_CD.dtype)
    h_BCH, memory = predictor.backbone.read(context_CD.unsqueeze(0))
    _, deltas = free_run(
        predictor,
        Start(h_BCH[:, -1], memory, context_CD[-1:]),
        frames,
        structure.feedback,
        LawNoise(torch.cat([normal, more], -1), uniform),
        temperature=structure.temperature,
    )
    return context_CD[-1] + deltas[0].cumsum(0)
