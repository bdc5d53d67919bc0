"""A small world in memory: enough utterances to train on, no file needed."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import torch

from trainables.latents.batching.feed import Feed


def utterance_table(frames: dict[str, np.ndarray]) -> pa.Table:
    """An Arrow table of utterances whose ids read SPEAKER-NUMBER, latents as they lie in Parquet."""
    dim = next(iter(frames.values())).shape[1]
    values = pa.array(np.concatenate([f.reshape(-1) for f in frames.values()]).astype(np.float16))
    offsets = np.concatenate([[0], np.cumsum([len(f) for f in frames.values()])]).astype(np.int32)
    latents = pa.ListArray.from_arrays(pa.array(offsets), pa.FixedSizeListArray.from_arrays(values, dim))
    ids = list(frames)
    return pa.table({"utterance_id": ids, "speaker_id": [i.split("-")[0] for i in ids], "latents": latents})


@pytest.fixture
def spiral_table() -> pa.Table:
    """Noisy rotations in 6 dimensions: the next step depends on the state."""
    rng = np.random.default_rng(0)
    angle = 0.4
    turn = np.eye(6)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[2:] *= 0.8
    utterances = {}
    for i in range(12):
        z = [rng.normal(size=6)]
        for _ in range(59 + i):
            z.append(turn @ z[-1] + 0.2 * rng.normal(size=6))
        utterances[f"s{i % 4}-{i:02d}"] = np.stack(z)
    return utterance_table(utterances)


@pytest.fixture
def make_feed(spiral_table: pa.Table) -> Callable[..., Feed]:
    """A feed over the spiral world; any setting of :class:`Feed` may be given."""

    def make(table: pa.Table = spiral_table, **settings: object) -> Feed:
        defaults = {"rms": 1.0, "lattice_step": None, "frame_rate": 50.0, "dtype": torch.float64}
        return Feed(lambda: [table], **{**defaults, **settings})

    return make
