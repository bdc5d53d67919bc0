"""Chunks hold every utterance once and keep to the budget; their order follows from a seed and a number."""

import numpy as np
import pytest

from trainables.latents.batching.chunks import Chunks
from trainables.latents.batching.even_share import EvenShare

LENGTHS = {f"u{i:04d}": int(n) for i, n in enumerate(np.random.default_rng(0).integers(50, 300, 2000))}


def test_chunks_hold_every_utterance_once_and_keep_to_a_quarter_of_the_budget() -> None:
    budget = 200_000
    chunks = Chunks.of(LENGTHS, 1, budget, seed=0)
    held = sorted(i for ids in chunks.ids for i in ids)
    assert held == sorted(LENGTHS) and all(list(ids) == sorted(ids) for ids in chunks.ids)
    sizes = [sum(LENGTHS[i] for i in ids) for ids in chunks.ids]
    assert len(chunks) > 4 and max(sizes) <= budget / 4 and min(sizes) >= budget / 4 / 3
    speakers = {int(i[1:]) // 100 for i in chunks.ids[0]}
    assert len(speakers) > 3, "the utterances of a chunk come from everywhere"


@pytest.mark.parametrize("budget", [1, 100])
def test_a_chunk_of_next_to_no_budget_holds_an_utterance(budget: int) -> None:
    assert len(Chunks.of(LENGTHS, 1, budget, seed=0)) == len(LENGTHS)


def test_what_fits_is_one_chunk() -> None:
    total = sum(LENGTHS.values())
    assert len(Chunks.of(LENGTHS, 2, 2 * total, seed=0)) == 1
    assert len(Chunks.of(LENGTHS, 2, 2 * total - 1, seed=0)) > 4


def test_a_pass_visits_each_chunk_once_in_an_order_of_its_own() -> None:
    chunks = Chunks.of(LENGTHS, 1, 200_000, seed=0)
    orders = [[chunks.visited(turn * len(chunks) + i) for i in range(len(chunks))] for turn in range(3)]
    assert all(sorted(order) == list(range(len(chunks))) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    again, other = Chunks.of(LENGTHS, 1, 200_000, seed=0), Chunks.of(LENGTHS, 1, 200_000, seed=1)
    assert again == chunks and [again.visited(i) for i in (5, 2)] == [chunks.visited(i) for i in (5, 2)]
    assert other.ids != chunks.ids


def test_chunks_of_short_utterances_are_left_out() -> None:
    chunks = Chunks.of({"a": 3, "b": 30, "c": 2, "d": 40}, 1, 1, seed=0)
    visited = [chunks.ids[chunks.visited(i, frames=10)] for i in range(4)]
    assert {ids for ids in visited} == {("b",), ("d",)}
    assert {chunks.ids[chunks.visited(i, frames=99)] for i in range(4)} == set(chunks.ids)


@pytest.mark.parametrize(("steps", "visits"), [(445, 18), (50, 2), (1, 1), (890, 36)])
def test_an_epoch_visits_as_many_chunks_as_its_steps_pass_over(steps: int, visits: int) -> None:
    chunks = Chunks.of(dict.fromkeys(LENGTHS, 160), 1, 100_000, seed=0)
    assert len(chunks) == 18
    stints = chunks.stints(3, steps, frames_per_step=720, frames=20)
    assert [visit for visit, _ in stints] == list(range(3 * visits, 4 * visits))
    assert [step for _, own in stints for step in own] == list(range(steps))
    sizes = [len(own) for _, own in stints]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("most", [0, 1, 7, 100, 10_000])
def test_a_spread_is_every_nth_of_all_in_the_order_of_ids(most: int) -> None:
    counts = {"b": 0, "c": 40, "a": 25, "d": 1, "e": 13}
    spread = EvenShare.at_most(counts, most)
    line = [(name, place) for name in sorted(counts) for place in range(counts[name])]
    every = max(1, -(-len(line) // most)) if most else 1
    taken = [(name, int(place)) for name in sorted(counts) for place in spread.within(name)]
    assert taken == line[::every] and len(taken) == spread.size
    for name in counts:
        own = [i for i, (of, _) in enumerate(taken) if of == name]
        assert list(range(spread.size))[spread.places(name)] == own
