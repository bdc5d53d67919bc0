"""Processes whose predictability is known, as feeds of frames in their own units."""

from __future__ import annotations

import numpy as np
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Feed
from trainables.latents.worlds.linear import RotatingAR


def feed(paths_UTD: np.ndarray, prefix: str, surrogates: tuple[str, ...] = ("real",)) -> Feed:
    """A speaker per stretch [T, D]."""
    table = utterance_table({f"{prefix}{i}-0": path for i, path in enumerate(paths_UTD)})
    return Feed(
        lambda: [table],
        rms=1.0,
        lattice_step=None,
        frame_rate=50.0,
        surrogates=surrogates,
        dtype=torch.float64,
    )


def autoregression(
    dim: int, decay: float, speakers: tuple[int, int], frames: int, surrogates: tuple[str, ...] = ("real",)
) -> tuple[Feed, Feed]:
    """Training and held-out speakers of z_{t+1} = decay z_t + noise; ``decay`` 0 is white noise."""
    rng = np.random.default_rng(dim)
    world = RotatingAR(dim=dim, decay=decay, angle=0.0, scale=1.0)
    train, held_out = (world.simulate(count, frames, rng) for count in speakers)
    return feed(train, "a", surrogates), feed(held_out, "b", surrogates)
