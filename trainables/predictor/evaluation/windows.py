"""Evaluation windows: a name that does not depend on what else is evaluated, and the noise that goes with it.

Shapes: B windows, K rollout steps, D latent dimensions, F factors, E = D + 1 + F.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.shard import Shard


def window_share(lengths: Mapping[str, int], context: int, horizon: int, most: int) -> EvenShare:
    """Which evaluation windows are taken where there may be ``most`` of them, or all where it is 0: evenly
    spread over all utterances.

    Args:
        lengths: frames of every utterance of all shards and workers, by id.
        context: frames before a horizon.
        horizon: frames of a horizon.
        most: windows of all shards and workers together.
    """
    counts = {name: max(0, (n - context) // horizon) for name, n in lengths.items()}
    return EvenShare.at_most(counts, most)


def spread_windows(
    shard: Shard, context: int, horizon: int, spread: EvenShare
) -> tuple[np.ndarray, np.ndarray]:
    """The evaluation windows of a shard (:meth:`Shard.evaluation_windows`) that are among those of
    :func:`window_share` for the same context and horizon.
    """
    starts_B, owners_B = shard.evaluation_windows(context, horizon)
    if spread.every == 1:
        return starts_B, owners_B
    first_U = np.searchsorted(owners_B, np.arange(len(shard.ids)))
    taken_B = np.concatenate([first_U[u] + spread.within(name) for u, name in enumerate(shard.ids)])
    return starts_B[taken_B], owners_B[taken_B]


def window_names(shard: Shard, starts_B: np.ndarray, owners_B: np.ndarray) -> list[str]:
    """Names of windows: the utterance's id and the frame of it that the window starts at."""
    return [f"{shard.ids[u]}/{start - shard.offsets[u]}" for u, start in zip(owners_B, starts_B, strict=True)]


def window_noise(names: Sequence[str], shape: Sequence[int], like: Tensor, factors: int = 0) -> LawNoise:
    """Noise of sampled runs, the same for a window of a name whoever evaluates it.

    Args:
        names: of the B windows.
        shape: of what one window draws, [K] or [runs, K].
        like: [..., D], with the device and precision wanted.
        factors: F; whatever it is, the other numbers are the same.

    Returns:
        normal [B, K, E] or [runs, B, K, E], and uniform [B, K, 2] or [runs, B, K, 2].
    """
    normal, uniform = [], []
    for name in names:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        normal.append(torch.randn(*shape, like.shape[-1] + 1, generator=generator, dtype=torch.float64))
        uniform.append(torch.rand(*shape, 2, generator=generator, dtype=torch.float64))
        if factors:
            more = torch.randn(*shape, factors, generator=generator, dtype=torch.float64)
            normal[-1] = torch.cat([normal[-1], more], -1)
    place = len(shape) - 1
    return LawNoise(torch.stack(normal, place).to(like), torch.stack(uniform, place).to(like))
