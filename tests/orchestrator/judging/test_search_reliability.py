"""Whether configurations are told apart: in simulated explorations whose truth is known."""

import numpy as np
import pytest

from benchmarks.reliability import APART, LUCK, WHITE, simulated
from orchestrator.judging.search_reliability import (
    Agreement,
    Reliability,
    agreement_of_halves,
    agreement_of_seeds,
)


def explorations(truth, count=20):
    rng = np.random.default_rng(0)
    return [simulated(truth, rng) for _ in range(count)]


@pytest.mark.parametrize("truth", [WHITE, LUCK])
def test_configurations_that_are_alike_are_told_apart_in_one_exploration_of_twenty_at_most(truth):
    assert sum(found.told_apart for found in explorations(truth)) <= 1


def test_luck_with_seeds_shows_on_both_halves_of_the_speakers_and_not_on_a_second_seed():
    found = explorations(LUCK)
    assert all(each.halves.is_positive for each in found)
    assert np.mean([each.seeds.correlation for each in found]) == pytest.approx(0, abs=0.2)


def test_configurations_that_truly_differ_are_told_apart():
    found = explorations(APART)
    assert sum(each.told_apart for each in found) >= 19
    assert min(each.halves.correlation for each in found) > 0.5


@pytest.mark.soak
def test_p_is_below_a_level_as_often_as_the_level_says():
    found = explorations(WHITE, 300)
    for level in (0.05, 0.2, 0.5):
        for part in ("halves", "seeds"):
            share = np.mean([getattr(each, part).p <= level for each in found])
            assert share == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 300))


def test_speakers_that_are_hard_for_all_do_not_make_configurations_agree():
    hard = 100.0 * np.arange(6)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(8, 6))
    ones = np.ones((8, 6))
    alone, with_speakers = (agreement_of_halves(part, ones) for part in (noise, noise + hard))
    assert with_speakers.correlation == pytest.approx(alone.correlation) and with_speakers.p == alone.p


def test_the_same_order_on_two_seeds_has_the_smallest_p_that_so_few_can_show():
    for count, least in ((3, 1 / 6), (4, 1 / 24), (5, 1 / 120)):
        agreement = agreement_of_seeds(np.arange(count), 2.0 * np.arange(count))
        assert (agreement.correlation, agreement.p, agreement.least_p) == pytest.approx((1, least, least))
    assert agreement_of_seeds(np.arange(4), -np.arange(4)).p == 1


def test_equal_lanes_do_not_agree():
    flat = np.ones((6, 4))
    agreement = agreement_of_halves(flat, flat)
    assert (agreement.correlation, agreement.p) == (0, 1)
    assert agreement_of_seeds(np.ones(6), np.ones(6)).p == 1


def test_a_speaker_of_whom_a_configuration_has_nothing_is_left_out():
    rng = np.random.default_rng(0)
    sums, counts = rng.normal(size=(5, 4)), np.ones((5, 4))
    holed, gone = counts.copy(), sums.copy()
    holed[2, 1], gone[3, 1] = 0, np.nan
    kept = agreement_of_halves(np.delete(sums, 1, 1), np.delete(counts, 1, 1))
    assert agreement_of_halves(gone, holed) == kept


@pytest.mark.parametrize("shape", [(2, 6), (8, 1), (0, 0)])
def test_too_few_configurations_or_speakers_are_not_measured(shape):
    assert agreement_of_halves(np.ones(shape), np.ones(shape)) is None
    assert agreement_of_seeds(np.ones(2), np.ones(2)) is None


def test_what_was_not_measured_was_not_told_apart_and_a_record_comes_back_as_it_was():
    sure = Agreement(correlation=0.9, p=0.001, least_p=0.001, configurations=8)
    assert Reliability(halves=sure, seeds=sure, speakers=12).told_apart
    lacking = Reliability(halves=sure, seeds=None, speakers=12)
    assert not lacking.told_apart and Reliability.from_json(lacking.to_json()) == lacking


def test_thousands_of_configurations_take_seconds():
    rng = np.random.default_rng(0)
    sums = rng.normal(size=(3000, 12)) + rng.normal(size=(3000, 1))
    agreement = agreement_of_halves(sums, np.ones_like(sums))
    assert agreement.p == agreement.least_p < 0.01
