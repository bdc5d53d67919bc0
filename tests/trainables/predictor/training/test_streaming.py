"""With a budget of a few kilobytes training streams, and ends where it would have ended without a stop, with
other neighbours, or on more workers.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Barrier, RLock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.latents.batching.feed import Extent, Feed
from trainables.latents.batching.slots import held_out_share, worker_utterances
from trainables.predictor.config import Lane, Structure
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

LANES = [
    Lane(seed=3, learning_rate=1e-2, weight_decay=0.1),
    Lane(seed=8, learning_rate=3e-3, scheduled_sampling=0.4, surrogate="white"),
]
STRUCTURE = Structure(
    head="vmf",
    width=8,
    context=5,
    rollout=3,
    horizon=4,
    batch=4,
    teacher_epochs=2,
    rollout_epochs=1,
    marginal_steps=3,
    dtype="float64",
)
SURROGATES = ("real", "white")
BUDGET = 6 << 10  # bytes; of which a chunk takes a quarter


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    """Frames of training and of other speakers, some of them too short for a window."""
    rng = np.random.default_rng(0)
    lengths = {f"s{i % 5}-{i:02d}": 4 + 3 * (i % 9) for i in range(30)}
    made = {name: np.cumsum(rng.normal(size=(n, 3)), 0) for name, n in lengths.items()}
    return {
        "train": utterance_table({name: made[name] for name in sorted(made)[:20]}),
        "other": utterance_table({name: made[name] for name in sorted(made)[20:]}),
    }


def feed(table: pa.Table, rank: int, world_size: int, *, train: bool, budget: int = BUDGET) -> Feed:
    lengths = dict(
        zip(
            table["utterance_id"].to_pylist(), pc.list_value_length(table["latents"]).to_pylist(), strict=True
        )
    )
    share = (
        partial(
            worker_utterances,
            batch=STRUCTURE.batch,
            rank=rank,
            world_size=world_size,
            lengths=lengths,
            frames=STRUCTURE.window_frames,
        )
        if train
        else partial(held_out_share, rank=rank, world_size=world_size)
    )
    return Feed(
        lambda: [table],
        rms=1.0,
        lattice_step=None,
        frame_rate=50.0,
        extent=Extent(lengths, 3),
        share=share if world_size > 1 else None,
        surrogates=SURROGATES,
        dtype=torch.float64,
        budget_bytes=budget,
    )


class Rank(SoloContext):
    """One of several threads that train together, which may be stopped after its first epoch."""

    def __init__(self, rank: int, shelf: list[Any], barrier: Barrier) -> None:
        super().__init__()
        self.rank, self.world_size, self._shelf, self._barrier = rank, len(shelf), shelf, barrier

    def prepare(self, module: torch.nn.Module) -> torch.nn.Module:
        for parameter in module.parameters():
            parameter.register_hook(lambda own: torch.stack(self.gather(own)).mean(0))
        return super().prepare(module)

    def gather(self, value: Any) -> list[Any]:
        self._shelf[self.rank] = value
        self._barrier.wait()
        values = list(self._shelf)
        self._barrier.wait()
        return values


class Interrupted(SoloContext):
    """Ends after an epoch, and is gone on from."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.saved = after, b""

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        super().report(progress, state)
        if len(self.reports) == self.after:
            buffer = io.BytesIO()
            torch.save(state, buffer)
            self.saved = buffer.getvalue()
            raise KeyboardInterrupt

    def restore(self) -> dict[str, Any] | None:
        return torch.load(io.BytesIO(self.saved), weights_only=True) if self.saved else None


def trained(
    tables: dict[str, pa.Table],
    context: SoloContext | None = None,
    lanes: Sequence[Lane] = LANES,
    **settings: Any,
) -> list[LaneResult]:
    context = context or SoloContext()
    ranks = context.rank, context.world_size
    train, validation, test = (
        feed(tables[name], *ranks, train=name == "train", **settings) for name in ("train", "other", "other")
    )
    return train_pack(
        STRUCTURE, lanes, train, test, context, evaluate_each_epoch=False, validation=validation
    )


@pytest.fixture(scope="module")
def straight(tables: dict[str, pa.Table]) -> list[LaneResult]:
    return trained(tables)


def assert_same(results: Sequence[LaneResult], expected: Sequence[LaneResult]) -> None:
    for ours, theirs in zip(results, expected, strict=True):
        torch.testing.assert_close(dict(ours.state), dict(theirs.state), rtol=1e-9, atol=1e-9)
        losses = [[entry["loss"] for entry in result.history] for result in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
        held_out = [
            [entry.get("validation_loss", 0.0) for entry in result.history] for result in (ours, theirs)
        ]
        assert held_out[0] == pytest.approx(held_out[1], rel=1e-9)
        assert ours.scores is not None and theirs.scores is not None
        assert ours.scores["speakers"] == theirs.scores["speakers"]
        for kind in ("sums", "counts"):
            assert ours.scores[kind].keys() == theirs.scores[kind].keys()
            for name, values in theirs.scores[kind].items():
                torch.testing.assert_close(ours.scores[kind][name], values, rtol=1e-9, atol=1e-9)


def test_it_streams(tables: dict[str, pa.Table]) -> None:
    streamed = feed(tables["train"], 0, 1, train=True)
    assert 5 <= len(streamed.chunks_of_all) < 20
    stints = streamed.chunks_of_all.stints(0, 4, STRUCTURE.batch * STRUCTURE.window_frames, 8)
    assert len(stints) > 1, "an epoch comes by several chunks"


def test_a_visit_gets_the_same_utterances_whatever_came_before(tables: dict[str, pa.Table]) -> None:
    one, other = (feed(tables["train"], 0, 1, train=True) for _ in range(2))
    for visit in (3, 0, 0, 7):
        other.ahead(visit + 1)
        list(other.chunks())
        mine, theirs = one.shard(visit), other.shard(visit)
        assert mine.ids == theirs.ids and torch.equal(mine.frames_SND, theirs.frames_SND)
    assert one.shard(3).ids != one.shard(0).ids


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 2])
def test_a_stopped_training_goes_on_where_it_was(
    after: int, tables: dict[str, pa.Table], straight: list[LaneResult]
) -> None:
    context = Interrupted(after)
    with pytest.raises(KeyboardInterrupt):
        trained(tables, context)
    assert_same(trained(tables, context), straight)


@pytest.mark.slow
def test_a_reused_process_trains_as_a_fresh_one(
    tables: dict[str, pa.Table], straight: list[LaneResult]
) -> None:
    train, test = (feed(tables[name], 0, 1, train=name == "train") for name in ("train", "other"))
    other = replace(STRUCTURE, steps=3, rollout_epochs=0)
    for structure in (other, STRUCTURE):
        results = train_pack(
            structure, LANES, train, test, SoloContext(), evaluate_each_epoch=False, validation=test
        )
    assert_same(results, straight)


@pytest.mark.slow
def test_a_pack_is_its_lanes(tables: dict[str, pa.Table], straight: list[LaneResult]) -> None:
    assert_same([trained(tables, lanes=[lane])[0] for lane in LANES], straight)


@pytest.mark.slow
@pytest.mark.parametrize("world_size", [2, 4])
def test_workers_end_where_one_does(
    world_size: int,
    tables: dict[str, pa.Table],
    straight: list[LaneResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, fork_rng = RLock(), torch.random.fork_rng

    @contextmanager
    def alone(*args: Any, **kwargs: Any) -> Iterator[None]:
        with lock, fork_rng(*args, **kwargs):  # of the one generator that all threads have
            yield

    monkeypatch.setattr(torch.random, "fork_rng", alone)
    shelf, barrier = [None] * world_size, Barrier(world_size, timeout=60)
    ranks: list[Callable[[], list[LaneResult]]] = [
        partial(trained, tables, Rank(rank, shelf, barrier)) for rank in range(world_size)
    ]
    with ThreadPoolExecutor(world_size) as pool:
        for results in pool.map(lambda run: run(), ranks):
            assert_same(results, straight)
