"""How likely frames are under a :class:`FrameDensity`: true ones, ones known to be bad, and rolled-out ones.

Everything is kept as sums and counts per speaker. Shapes: N frames, B windows, K rollout steps, D dimensions.
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

NOISE = 0.3  # of every dimension's standard deviation: audible, but speech is still understood
TRUE = "true_"  # before the name of a figure: of the true frames that a run should have reached


def reference_scores(density: FrameDensity, held_out: Feed, scale: Scale) -> dict[str, Scores]:
    """Of all held-out frames: as they are (``true``), with noise of ``NOISE`` standard deviations on them
    (``noise``), and halfway between two frames at random (``mixed``). The last two are no frames.
    """
    parts: dict[str, list[Scores]] = {"true": [], "noise": [], "mixed": []}
    for shard in held_out.chunks():
        generator = torch.Generator().manual_seed(0)
        frames_ND = shard.frames_SND[0].double()
        for now_N, owner_N in cases(shard, 1, 0):
            own = frames_ND[now_N]
            grain = torch.randn(own.shape, generator=generator, dtype=torch.float64)
            other = frames_ND[torch.randint(len(frames_ND), (len(own),), generator=generator)]
            made = {"true": own, "noise": own + NOISE * scale.deviation_D * grain, "mixed": (own + other) / 2}
            speakers = [shard.speakers[u] for u in owner_N]
            for name, frames in made.items():
                parts[name].append(frame_scores(density, frames, speakers, held_out.frame_rate))
    return {name: merge(own) for name, own in parts.items()}


def frame_scores(density: FrameDensity, frames: Tensor, speakers: Sequence[str], frame_rate: float) -> Scores:
    """Of frames [N, D] or curves [B, K, D] and who spoke each; a figure that is no number is left out of its
    counts, except for log densities: there it stays visible.
    """
    return _tallied(
        density.figures(frames), speakers, frame_rate, 1 if frames.dim() == 2 else frames.shape[1]
    )


def rollout_scores(
    density: FrameDensity, structure: Structure, weights: Mapping[str, Tensor], held_out: Feed
) -> Scores:
    """Curves over k = 1..K of the states that free runs of a lane reach, and, with :data:`TRUE` before their
    names, of the true frames at the same times.
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
    """The frames [N, D] of a shard without the ``first`` ones of every utterance, and who spoke each."""
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
        counted = np.ones(values.shape) if always else (~values.isnan()).double().numpy()
        filled = values.double().numpy() if always else values.nan_to_num(0.0).double().numpy()
        for sums, own in ((scores.sums, filled), (scores.counts, counted)):
            sums[name] = np.zeros((len(names), *own.shape[1:]))
            np.add.at(sums[name], rows, own)
    return scores
