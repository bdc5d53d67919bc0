"""What is known of a feed before training is the same for all workers, whoever holds which utterance."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData

IDS = [f"s{i % 3}-{i}" for i in range(7)]


def table(ids: Sequence[str]) -> pa.Table:
    frames = {name: np.random.default_rng(i).normal(size=(20 + i, 4)) for i, name in enumerate(IDS)}
    return utterance_table({name: frames[name] for name in ids})


def feed(ids: Sequence[str]) -> Feed:
    held = table(ids)
    return Feed(
        lambda: [held],
        rms=2.0,
        lattice_step=None,
        frame_rate=50.0,
        surrogates=("real", "white"),
        dtype=torch.float64,
    )


def on_ranks(feeds: Sequence[Feed]) -> list[PreparedData]:
    """What each of several workers makes of its own feed while all of them exchange what they hold."""
    barrier, shelf = Barrier(len(feeds), timeout=30), [None] * len(feeds)

    def gathering(rank: int) -> Callable[[Any], list[Any]]:
        def gather(value: Any) -> list[Any]:
            shelf[rank] = value
            barrier.wait()
            values = list(shelf)
            barrier.wait()
            return values

        return gather

    with ThreadPoolExecutor(len(feeds)) as pool:
        return list(pool.map(PreparedData.from_feed, feeds, map(gathering, range(len(feeds)))))


@pytest.mark.parametrize("shares", [(IDS[::2], IDS[1::2]), (IDS[:5], IDS[3:]), (IDS, IDS)], ids=len)
def test_every_rank_knows_what_one_that_holds_all_does(shares: tuple[list[str], ...]) -> None:
    whole = PreparedData.from_feed(feed(IDS))
    for data in on_ranks([feed(ids) for ids in shares]):
        assert torch.equal(data.pairs_2SND, whole.pairs_2SND)
        assert torch.equal(data.moments.mean_D, whole.moments.mean_D)
        assert data.moments.frame_distance == whole.moments.frame_distance
        assert data.surrogates == whole.surrogates


def test_steps_lead_from_frames_to_their_successors() -> None:
    one = feed(IDS)
    data, frames_SND = PreparedData.from_feed(one), one.shard(0).frames_SND
    lengths = one.shard(0).lengths
    assert data.dim == 4 and torch.equal(data.moments.mean_D, one.shard(0).moments.mean_D)
    for row, name in enumerate(data.surrogates):
        within = [own.diff(dim=0) for own in frames_SND[row].split(lengths.tolist())]
        assert torch.equal(data.steps(name), torch.cat(within))
