"""Figures of single frames, added up per speaker.

Shapes: B windows, K rollout steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from trainables.latents.batching.shard import Shard
from trainables.predictor.scores import Scores, is_curve

_ALWAYS_DEFINED = ("nll", "state_error", "energy_score", "crps")


def tally(
    figures: Mapping[str, Tensor], shard: Shard, owners_B: np.ndarray, frame_rate: float, horizon: int
) -> Scores:
    """Sums and counts per speaker; curves keep their K steps, one-step metrics add them up.

    An undefined frame (no movement) is not counted; a diverged prediction is infinite or NaN in what is
    always defined, and stays visible there.

    Args:
        figures: every metric frame by frame, [B, K]; NaN where it is undefined.
        owners_B: the utterance of the shard that each window belongs to.
        frame_rate: frames per second of audio.
        horizon: K.
    """
    speakers = sorted(set(shard.speakers))
    rows = torch.tensor([speakers.index(shard.speakers[owner]) for owner in owners_B])
    scores = Scores(speakers, frame_rate, horizon)
    for name, values in figures.items():
        values = values.double().cpu()
        always = name.startswith(_ALWAYS_DEFINED)
        counted = torch.ones_like(values) if always else (~values.isnan()).double()
        filled = values if always else torch.where(values.isnan(), 0.0, values)
        if not is_curve(name):
            filled, counted = filled.sum(1), counted.sum(1)
        empty = torch.zeros(len(speakers), *filled.shape[1:], dtype=torch.float64)
        scores.sums[name] = empty.clone().index_add_(0, rows, filled).numpy()
        scores.counts[name] = empty.index_add_(0, rows, counted).numpy()
    return scores
