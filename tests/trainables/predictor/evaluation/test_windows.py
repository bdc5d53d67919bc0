"""Which windows are looked at follows from all utterances: from no chunk, and from no worker."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Extent, Feed
from trainables.latents.batching.slots import held_out_share
from trainables.predictor.evaluation.windows import spread_windows, window_names, window_share

LENGTHS = {f"s-{i:02d}": 6 + 7 * (i % 5) for i in range(23)}
CONTEXT, HORIZON = 5, 4


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return utterance_table({name: np.zeros((n, 2)) for name, n in LENGTHS.items()})


def taken(feed: Feed, most: int) -> list[str]:
    names, spread = [], window_share(feed.extent.lengths, CONTEXT, HORIZON, most)
    for shard in feed.chunks():
        names += window_names(shard, *spread_windows(shard, CONTEXT, HORIZON, spread))
    return names


@pytest.mark.parametrize("most", [0, 1, 5, 17, 1000])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_chunks_and_workers_together_take_the_windows_of_one(
    most: int, world_size: int, table: pa.Table
) -> None:
    own = [
        Feed(
            lambda: [table],
            rms=1.0,
            lattice_step=None,
            frame_rate=50.0,
            extent=Extent(LENGTHS, 2),
            share=partial(held_out_share, rank=rank, world_size=world_size),
            budget_bytes=1000,
        )
        for rank in range(world_size)
    ]
    assert own[0].in_chunks
    together = sorted(name for feed in own for name in taken(feed, most))
    whole = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0)
    assert not whole.in_chunks
    one = taken(whole, most)
    assert together == sorted(one) and len(one) <= (most or len(one))
    windows = sum(len(range(0, n - CONTEXT - HORIZON + 1, HORIZON)) for n in LENGTHS.values())
    every = -(-windows // most) if most else 1
    assert len(one) == -(-windows // every)
