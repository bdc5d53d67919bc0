"""Windows are slices of the data, batches do not depend on the number of workers, and dither stays within
half a step.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.slots import Slots, worker_utterances

DIM = 3


@pytest.fixture
def table() -> pa.Table:
    """Frames that say where they come from: utterance number, frame number, 1."""
    return utterance_table({f"s-{u:02d}": np.stack([[u, t, 1.0] for t in range(20 + u)]) for u in range(11)})


def shard(table: pa.Table, **settings: object) -> Shard:
    return Shard.from_tables(
        [table], **{"rms": 1.0, "lattice_step": None, "dtype": torch.float64, **settings}
    )


def test_a_window_never_leaves_its_utterance(table: pa.Table) -> None:
    own = shard(table)
    slots = Slots(own, own.ids, batch=4, frames=15, rank=0, world_size=1)
    starts = slots.starts(torch.rand(5, 4, generator=torch.Generator().manual_seed(0)))
    windows = own.gather(starts, 15, torch.zeros(5, dtype=torch.long))
    assert windows.shape == (5, 4, 15, DIM)
    assert (windows[..., 0] == windows[:, :, :1, 0]).all()
    assert (windows[..., 1:, 1] - windows[..., :-1, 1] == 1).all()
    assert set(windows[:, 1, 0, 0].tolist()) <= {1.0, 5.0, 9.0}  # slot 1 draws from utterances 1, 5, 9


def test_evaluation_horizons_tile_each_utterance(table: pa.Table) -> None:
    own = shard(table)
    starts, owners = own.evaluation_windows(context=5, horizon=4)
    for u in range(11):
        first = own.frames_SND[0, starts[owners == u], 1]
        assert first.tolist() == list(range(0, 20 + u - 9 + 1, 4))


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("batch", [4, 16])  # fewer and more slots than utterances
def test_workers_share_the_batch_of_one(table: pa.Table, world_size: int, batch: int) -> None:
    whole = shard(table)
    uniform = torch.rand(3, batch, generator=torch.Generator().manual_seed(1))
    one = whole.gather(
        Slots(whole, whole.ids, batch, 15, 0, 1).starts(uniform), 15, torch.zeros(3, dtype=torch.long)
    )
    for rank in range(world_size):
        mine = worker_utterances(whole.ids, batch, rank, world_size)
        part = shard(table.filter(pa.compute.is_in(table["utterance_id"], pa.array(mine))))
        slots = Slots(part, whole.ids, batch, 15, rank, world_size)
        windows = part.gather(slots.starts(uniform), 15, torch.zeros(3, dtype=torch.long))
        assert torch.equal(windows, one[:, rank::world_size])


def test_streaming_in_chunks_shows_every_utterance_once(table: pa.Table) -> None:
    def stream() -> Iterator[pa.Table]:
        for row in range(len(table)):
            yield table.slice(row, 1)

    feed = Feed(
        stream, rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64, budget_bytes=100 * DIM * 8
    )
    chunks = list(feed.chunks())
    assert (
        len(chunks) > 2
        and sorted(i for chunk in chunks for i in chunk.ids) == table["utterance_id"].to_pylist()
    )
    passes = [[tuple(feed.shard(visit).ids) for visit in range(*span)] for span in ((0, 11), (11, 22))]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(tuple(chunk.ids) for chunk in chunks)
    assert passes[0] != passes[1], "each pass has an order of its own"
    assert len(list(Feed(stream, rms=1.0, lattice_step=None, frame_rate=50.0).chunks())) == 1


def test_dither_is_uniform_and_the_same_for_everyone(table: pa.Table) -> None:
    plain, dithered = shard(table), shard(table, lattice_step=0.5)
    alone = shard(table.slice(4, 1), lattice_step=0.5)
    noise = dithered.frames_SND - plain.frames_SND
    assert noise.abs().max() <= 0.25 and noise.std() == pytest.approx(0.5 / 12**0.5, rel=0.1)
    assert torch.equal(alone.frames_SND[0], dithered.frames_SND[0, dithered.offsets[4] : dithered.offsets[5]])


def test_surrogates_lie_beside_the_real_frames(table: pa.Table) -> None:
    own = shard(table, surrogates=("real", "white", "gaussian"))
    real, white, gaussian = own.frames_SND[:, own.offsets[10] : own.offsets[11]]
    assert not torch.equal(real, white) and torch.equal(real[:, 1], white[:, 1].sort().values)
    assert not torch.allclose(real, gaussian) and gaussian.shape == real.shape


def test_moments_are_those_of_the_frames() -> None:
    frames = {f"s-{i}": np.random.default_rng(i).normal(1.0, 2.0, size=(4000, 8)) for i in range(2)}
    moments = shard(utterance_table(frames)).moments
    assert moments.mean_D.mean().item() == pytest.approx(1.0, abs=0.05)
    assert moments.frame_distance == pytest.approx(np.sqrt(2 * 8) * 2, rel=0.02)


def test_what_cannot_be_shared_or_cut_is_refused(table: pa.Table) -> None:
    with pytest.raises(InputError, match="batch 6 cannot be shared by 4 workers"):
        worker_utterances(["a", "b"], 6, 0, 4)
    own = shard(table)
    with pytest.raises(InputError, match="no training utterance is as long as context"):
        Slots(own, own.ids, 4, 500, 0, 1)


def test_pairs_are_spread_evenly_even_over_utterances_shorter_than_the_spread(monkeypatch) -> None:
    monkeypatch.setattr("trainables.latents.batching.prepared_data._MOST_PAIRS", 10)
    lengths = [40, 3, 2, 4, 30, 3]
    frames = {f"s-{i}": np.full((n, 1), i) + np.arange(n)[:, None] / 100 for i, n in enumerate(lengths)}
    feed = Feed(
        lambda: [utterance_table(frames)], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64
    )
    now, following = PreparedData.from_feed(feed).pairs_2SND
    assert 9 <= now.shape[1] <= 12
    assert torch.allclose(following - now, torch.full_like(now, 0.01), atol=2e-3)  # float16 on disk
