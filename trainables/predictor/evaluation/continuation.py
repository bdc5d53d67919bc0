"""Latents continued by a trained predictor, to be listened to.

Shapes: B clips, C frames of context, K of continuation, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainables.predictor.config import Structure
from trainables.predictor.evaluation.windows import window_noise
from trainables.predictor.model.predictor import build_predictor
from trainables.predictor.model.rollout import Start, free_run


@torch.no_grad()
def continue_from(
    structure: Structure,
    state: Mapping[str, Tensor],
    context_BCD: Tensor,
    frames: int,
    names: Sequence[str],
) -> Tensor:
    """Let one trained lane run free from true frames: [B, K, D], in units of the training RMS.

    Args:
        state: the lane's weights, as its :class:`LaneResult` holds them.
        context_BCD: true frames before each run, in the same units.
        frames: how long to run, K.
        names: of what is continued, such as its utterance and the replicate: sampled feedback draws noise
            that depends on a run's name alone, the same whichever arm continues it, and beside what.
    """
    dim = context_BCD.shape[-1]
    predictor = build_predictor(structure, dim).to(context_BCD.dtype)
    predictor.load_state_dict(dict(state))
    h_BCH, memory = predictor.backbone.read(context_BCD)
    _, delta_BKD = free_run(
        predictor,
        Start(h_BCH[:, -1], memory, context_BCD[:, -1]),
        frames,
        structure.feedback,
        window_noise(names, (frames,), context_BCD, structure.evaluation_normals(dim)),
        temperature=structure.temperature,
        read_noise=structure.inference_noise,
    )
    return context_BCD[:, -1:] + delta_BKD.cumsum(1)
