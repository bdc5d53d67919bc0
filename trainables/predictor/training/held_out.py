"""The loss of a pack's lanes on windows that they do not learn from: what patience goes by.

Shapes: L lanes, B windows, T frames of a window, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from trainables.distributions.law import LawNoise
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.windows import spread_windows, window_names, window_noise, window_share
from trainables.predictor.lanes.pack import Batch, StackedPack
from trainables.predictor.model.losses import WindowNoise

MOST_WINDOWS = 512
_WINDOWS_AT_ONCE = 128


def held_out_losses(
    structure: Structure,
    pack: StackedPack,
    feed: Feed,
    gather: Callable[[Any], list[Any]] = lambda value: [value],
) -> list[float]:
    """Loss of every lane under teacher forcing, nats per frame, on the same windows, noise and surrogate each
    time it is asked.

    At most 512 windows are taken, evenly spread over the utterances of all workers.

    Args:
        feed: of utterances that the lanes do not learn from.
        gather: returns the values of all workers, each of which has its own utterances.

    Raises:
        InputError: no utterance is as long as a window.
    """
    frames = structure.window_frames
    device = next(pack.parameters()).device
    total_L, count = torch.zeros(len(pack.lanes), dtype=torch.float64), 0
    rows_L = torch.tensor([feed.surrogates.index(lane.surrogate) for lane in pack.lanes], device=device)
    context = frames - structure.rollout
    spread = window_share(feed.extent.lengths, context, structure.rollout, MOST_WINDOWS)
    for shard in feed.chunks():
        starts, owners = spread_windows(shard, context, structure.rollout, spread)
        for first in range(0, len(starts), _WINDOWS_AT_ONCE):
            block = slice(first, first + _WINDOWS_AT_ONCE)
            starts_LB = torch.from_numpy(starts[block]).to(device).expand(len(rows_L), -1)
            windows_LBTD = shard.gather(starts_LB, frames, rows_L)
            names = window_names(shard, starts[block], owners[block])
            batch = Batch(windows_LBTD, _noise(structure, pack, names, windows_LBTD))
            size = len(names)
            total_L += size * pack.held_out_loss(batch).double().cpu()
            count += size
    parts: Sequence[tuple[torch.Tensor, int]] = gather((total_L, count))
    whole = sum(size for _, size in parts)
    if not whole:
        raise InputError(
            f"no validation utterance is as long as a training window of {frames} frames; shorten window, "
            "context or rollout, or encode longer utterances"
        )
    return [float(x) for x in torch.stack([total for total, _ in parts]).sum(0) / whole]


def _noise(
    structure: Structure, pack: StackedPack, names: Sequence[str], windows_LBTD: torch.Tensor
) -> WindowNoise:
    """What laws draw on, where they do; nothing is replaced, added or dropped."""
    lanes, windows, frames = windows_LBTD.shape[:3]
    ones = windows_LBTD.new_ones(lanes, windows, frames)
    nothing = torch.zeros_like(ones).unsqueeze(-1)
    law_noise = LawNoise(nothing, nothing.expand(-1, -1, -1, 2))
    if pack.stacked.template.head.needs_noise:
        further = structure.factors + structure.further_normals(windows_LBTD.shape[-1])
        drawn = window_noise(names, (frames,), windows_LBTD, further)
        law_noise = drawn.apply(lambda part: part.expand(lanes, *part.shape))
    return WindowNoise(ones, law_noise, nothing, ones[:, :, :1])
