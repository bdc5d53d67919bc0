"""Latents continued by a trained predictor, to be listened to.

Shapes: C frames of context, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    context_CD: Tensor,
    frames: int,
    name: str,
) -> Tensor:
    """Let one trained lane run free from true frames: [frames, D], in units of the training RMS.

    Args:
        state: the lane's weights, as its :class:`LaneResult` holds them.
        context_CD: true frames before the run, in the same units.
        frames: how long to run.
        name: of what is continued, such as its utterance and the replicate: sampled feedback draws noise that
            depends on it alone, the same whichever arm continues it.
    """
    dim = context_CD.shape[-1]
    predictor = build_predictor(structure, dim).to(context_CD.dtype)
    predictor.load_state_dict(dict(state))
    h_BCH, memory = predictor.backbone.read(context_CD.unsqueeze(0))
    _, deltas = free_run(
        predictor,
        Start(h_BCH[:, -1], memory, context_CD[-1:]),
        frames,
        structure.feedback,
        window_noise([name], (frames,), context_CD, structure.evaluation_normals(dim)),
        temperature=structure.temperature,
        read_noise=structure.inference_noise,
    )
    return context_CD[-1] + deltas[0].cumsum(0)
