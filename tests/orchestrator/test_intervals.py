"""The intervals cover what they promise, and equal the textbook ones where a textbook has them."""

import math

import numpy as np
import pytest
from scipy import stats

from orchestrator.statistics.intervals import borrow_seeds, difference, half_width, interval, over_speakers


def _world(rng, seeds=6, speakers=8, seed_sd=0.03, speaker_sd=0.1, rest_sd=0.05, mean=0.5):
    """Counts that differ between speakers, and sums with crossed seed and speaker effects around ``mean``."""
    den = np.tile(rng.integers(200, 400, speakers).astype(float), (seeds, 1))
    effect = (
        mean
        + rng.normal(0, seed_sd, (seeds, 1))
        + rng.normal(0, speaker_sd, (1, speakers))
        + rng.normal(0, rest_sd, (seeds, speakers))
    )
    return effect * den, den


@pytest.mark.parametrize(("seed_sd", "speaker_sd"), [(0.03, 0.1), (0.1, 0.03), (0.0, 0.1), (0.08, 0.08)])
def test_covers_about_95_percent(seed_sd, speaker_sd):
    rng = np.random.default_rng(0)
    found = [interval(*_world(rng, seed_sd=seed_sd, speaker_sd=speaker_sd)) for _ in range(800)]
    coverage = np.mean([i.low <= 0.5 <= i.high for i in found])
    assert 0.92 <= coverage <= 0.985, coverage


def test_a_paired_difference_covers_and_is_narrower_than_unpaired_ones():
    rng = np.random.default_rng(1)
    hits, narrower = [], []
    for _ in range(800):
        num, den = _world(rng)
        other = num - (0.1 + rng.normal(0, 0.02, num.shape)) * den
        paired = difference(num, den, other, den)
        hits.append(paired.low <= 0.1 <= paired.high)
        narrower.append(paired.high - paired.low < 0.5 * (interval(num, den).high - interval(num, den).low))
    assert 0.92 <= np.mean(hits) <= 0.985
    assert np.mean(narrower) > 0.95


def test_one_seed_is_the_ordinary_t_interval_over_speakers():
    values = np.random.default_rng(2).normal(size=7)
    found = over_speakers(values, np.ones(7))
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n_speakers, found.n_seeds) == (7, 1)


def test_one_speaker_is_the_ordinary_t_interval_over_seeds():
    values = np.random.default_rng(3).normal(size=5)
    found = interval(values[:, None], np.ones((5, 1)), level=0.9)
    low, high = stats.t.interval(0.9, 4, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_single_cell_promises_nothing():
    found = interval(np.array([[3.0]]), np.array([[4.0]]))
    assert found.estimate == 0.75
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.to_json()["low"] is None


def test_repeating_a_seed_does_not_narrow_the_interval():
    values = np.random.default_rng(4).normal(size=(1, 6))
    one, many = interval(values, np.ones((1, 6))), interval(np.tile(values, (9, 1)), np.ones((9, 6)))
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_variance_components_are_recovered():
    num, den = _world(np.random.default_rng(5), seeds=200, speakers=200)
    found = interval(num, den)
    # Speakers that say more weigh more: their variance grows by mean(den^2) / mean(den)^2, about 1.04.
    assert math.sqrt(found.speaker_variance) == pytest.approx(0.1, rel=0.15)
    assert math.sqrt(found.seed_variance) == pytest.approx(0.03, rel=0.15)
    assert half_width(found, 200, 200) == pytest.approx((found.high - found.low) / 2, rel=0.02)
    assert half_width(found, 800, 200) < half_width(found, 200, 200)


def test_a_speaker_never_counted_is_left_out_and_a_nan_is_never_zero():
    num, den = np.array([[1.0, 2.0, 0.0]]), np.array([[2.0, 3.0, 0.0]])
    assert interval(num, den).n_speakers == 2
    assert interval(num, den).estimate == pytest.approx(0.6)
    num[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        interval(num, den)
    with pytest.raises(ValueError, match="nothing was counted"):
        interval(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="do not pair"):
        difference(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 4)), np.ones((2, 4)))


def test_a_single_seed_covers_once_it_borrows_the_spread_between_seeds():
    rng = np.random.default_rng(6)
    alone, borrowed = [], []
    for _ in range(800):
        found = interval(*_world(rng, seeds=1, seed_sd=0.08, speaker_sd=0.03))
        wider = borrow_seeds(found, interval(*_world(rng, seed_sd=0.08, speaker_sd=0.03)))
        alone.append(found.low <= 0.5 <= found.high)
        borrowed.append(wider.low <= 0.5 <= wider.high)
    assert np.mean(alone) < 0.8
    assert 0.92 <= np.mean(borrowed) <= 0.99
