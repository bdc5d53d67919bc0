"""How likely vectors are under a :class:`FrameDensity`: true frames, distorted ones and rolled-out states.

Figures are kept as sums and counts per speaker.

Shapes: N frames, B windows, K rollout steps, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.frame_density import FrameDensity
from trainables.analysis.probe_cases import Scale, cases
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.replay import lane, reached_states, windows_of
from trainables.predictor.scores import Scores, merge

NOISE = 0.3  # share of the standard deviation of each dimension: audible, but speech is still understood
TRUE = "true_"  # prefix of a figure's name: that of the true frames which a free run should have reached


def reference_scores(density: FrameDensity, held_out: Feed, scale: Scale) -> dict[str, Scores]:
    """Scores of all held-out frames, and of vectors that are no frames, by kind.

    Args:
        density: under which they are scored.
        held_out: frames of the speakers that are scored.
        scale: standard deviations of the dimensions.

    Returns:
        ``true``: frames as they are; ``noise``: with noise of ``NOISE`` standard deviations; ``mixed``:
        halfway between two random frames.
    """
    parts: dict[str, list[Scores]] = {"true": [], "noise": [], "mixed": []}
    for shard in held_out.chunks():
        generator = torch.Generator().manual_seed(0)
        frames_ND = shard.frames_SND[0].double()
        for now_N, owner_N in cases(shard, 1, 0):
            true = frames_ND[now_N]
            noise = torch.randn(true.shape, generator=generator, dtype=torch.float64)
            other = frames_ND[torch.randint(len(frames_ND), (len(true),), generator=generator)]
            kinds = {
                "true": true,
                "noise": true + NOISE * scale.deviation_D * noise,
                "mixed": (true + other) / 2,
            }
            speakers = [shard.speakers[u] for u in owner_N]
            for kind, frames in kinds.items():
                parts[kind].append(frame_scores(density, frames, speakers, held_out.frame_rate))
    return {kind: merge(scores) for kind, scores in parts.items()}


def frame_scores(density: FrameDensity, frames: Tensor, speakers: Sequence[str], frame_rate: float) -> Scores:
    """Scores of frames [N, D], or of curves [B, K, D], as :meth:`FrameDensity.figures` names them.

    A figure that is NaN is left out of its counts; a log density that is NaN stays visible in the sums.

    Args:
        density: under which they are scored.
        frames: or curves.
        speakers: of each frame or curve.
        frame_rate: of the latents, Hz.
    """
    return _tallied(
        density.figures(frames), speakers, frame_rate, 1 if frames.dim() == 2 else frames.shape[1]
    )


def rollout_scores(
    density: FrameDensity, structure: Structure, weights: Mapping[str, Tensor], held_out: Feed
) -> Scores:
    """Scores of the states that free runs of a lane reach, as curves over k = 1..K.

    With :data:`TRUE` before their names they are those of the true frames at the same times.

    Args:
        density: under which states are scored.
        structure: of the lane.
        weights: of the lane.
        held_out: frames of the speakers that are scored.
    """
    parts = []
    for shard in held_out.chunks():
        predictor = lane(structure, weights, shard.dim)
        for windows in windows_of(structure, shard):
            reached = reached_states(structure, predictor, windows)
            true = windows.frames_BTD[:, structure.context :]
            figures = density.figures(reached) | {
                TRUE + name: values for name, values in density.figures(true).items()
            }
            speakers = [shard.speakers[u] for u in windows.owners_B]
            parts.append(_tallied(figures, speakers, held_out.frame_rate, structure.horizon))
    return merge(parts)


def dithered_frames(shard: Shard, first: int) -> tuple[Tensor, list[str]]:
    """Frames [N, D] of a shard, without the ``first`` frames of each utterance, and the speaker of each."""
    kept = [np.arange(a + first, b) for a, b in zip(shard.offsets[:-1], shard.offsets[1:], strict=True)]
    speakers = [s for s, rows in zip(shard.speakers, kept, strict=True) for _ in rows]
    return shard.frames_SND[0, np.concatenate(kept)], speakers


def _tallied(
    figures: Mapping[str, Tensor], speakers: Sequence[str], frame_rate: float, horizon: int
) -> Scores:
    names, rows = np.unique(np.asarray(speakers), return_inverse=True)
    scores = Scores(names.tolist(), frame_rate, horizon)
    for name, values in figures.items():
        always = name.endswith("log_density")
        counts = np.ones(values.shape) if always else (~values.isnan()).double().numpy()
        filled = values.double().numpy() if always else values.nan_to_num(0.0).double().numpy()
        for totals, terms in ((scores.sums, filled), (scores.counts, counts)):
            totals[name] = np.zeros((len(names), *terms.shape[1:]))
            np.add.at(totals[name], rows, terms)
    return scores
