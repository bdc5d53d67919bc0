"""The intervals cover what they promise, and equal the textbook ones where a textbook has them."""

import math

import numpy as np
import pytest
from scipy import stats

from orchestrator.statistics.intervals import (
    at_level,
    borrow_seeds,
    difference,
    excess,
    half_width,
    interval,
    over_speakers,
)
from orchestrator.statistics.mean_squares import Squares, expected_squares, t_interval


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


def _coverage(seed_sd, speaker_sd, seeds, speakers, level=0.95, draws=10_000):
    """Exact but for the mean squares: the error of the mean is normal, and independent of them."""
    rng = np.random.default_rng(0)
    expected = expected_squares(seed_sd**2, speaker_sd**2, 1.0, seeds, speakers)
    freedoms = (seeds - 1, speakers - 1, (seeds - 1) * (speakers - 1))
    drawn = Squares(*(e * rng.chisquare(f, draws) / f for e, f in zip(expected, freedoms, strict=True)))
    error = math.sqrt(seed_sd**2 / seeds + speaker_sd**2 / speakers + 1 / (seeds * speakers))
    return np.mean(2 * stats.norm.cdf(t_interval(drawn, seeds, speakers, level).half / error) - 1)


GRID = [(seed, speaker) for seed in (0, 0.3, 0.5, 0.8, 2, 5) for speaker in (0, 0.3, 0.5, 0.8, 2, 5)]


@pytest.mark.parametrize("speakers", [5, 8, 10])
def test_covers_95_percent_within_2_whatever_makes_it_vary(speakers):
    measured = {sds: _coverage(*sds, seeds=5, speakers=speakers) for sds in GRID}
    assert {sds: c for sds, c in measured.items() if not 0.93 <= c <= 0.97} == {}


@pytest.mark.parametrize("seeds", [2, 3, 6, 10])
@pytest.mark.parametrize("speakers", [3, 20])
def test_never_covers_less_than_93_percent_with_few_or_many(speakers, seeds):
    measured = {sds: _coverage(*sds, seeds=seeds, speakers=speakers) for sds in GRID}
    assert {sds: c for sds, c in measured.items() if not c >= 0.93} == {}


@pytest.mark.parametrize(("seed_sd", "speaker_sd"), [(0.03, 0.1), (0.1, 0.03), (0.0, 0.0)])
def test_an_interval_from_cells_covers_as_its_mean_squares_say(seed_sd, speaker_sd):
    rng = np.random.default_rng(0)
    measured = [interval(*_world(rng, seed_sd=seed_sd, speaker_sd=speaker_sd)) for _ in range(600)]
    promised = _coverage(seed_sd / 0.05, speaker_sd / 0.05, seeds=6, speakers=8)
    assert np.mean([i.low <= 0.5 <= i.high for i in measured]) == pytest.approx(promised, abs=0.025)


def test_many_layouts_at_once_are_each_its_own():
    rng = np.random.default_rng(1)
    drawn = Squares(*rng.exponential(size=(3, 40)))
    batch = t_interval(drawn, 5, 8, 0.9)
    alone = [t_interval(Squares(*squares), 5, 8, 0.9) for squares in zip(*drawn, strict=True)]
    for name in ("half", "error", "freedom"):
        assert getattr(batch, name) == pytest.approx([float(getattr(one, name)) for one in alone])


def test_where_no_factor_shows_all_squares_are_pooled():
    pooled = t_interval(Squares(1.2, 0.9, 1.0), 5, 6, 0.95)
    assert pooled.freedom == 29
    assert pooled.error**2 * 30 == pytest.approx((4 * 1.2 + 5 * 0.9 + 20 * 1.0) / 29)
    assert t_interval(Squares(1.2, 0.9, 1.0), 4, 6, 0.95).freedom == 3  # too few to see nothing
    assert t_interval(Squares(1.2, 5.0, 1.0), 5, 6, 0.95).freedom < 6


def test_two_seeds_that_agree_by_chance_do_not_pass_for_many():
    measured = t_interval(Squares(0.1, 1.0, 1.0), 2, 20, 0.95)
    assert measured.half == pytest.approx(stats.t.ppf(0.975, 1) * math.sqrt(0.1 / 40))
    assert measured.half > stats.t.ppf(0.975, 19) * math.sqrt(1 / 40)


def test_small_alphas_are_kept_too():
    """Where a factor that is small is overlooked, a look at 99.44 % must not err as if it were at 98 %."""
    small = {sds: _coverage(*sds, seeds=6, speakers=12, level=0.9944) for sds in GRID}
    assert {sds: c for sds, c in small.items() if not 1 - c <= 1.4 * 0.0056} == {}


def test_error_and_freedom_give_the_interval_and_another_level_its_own():
    num, den = _world(np.random.default_rng(8))
    measured = interval(num, den)
    low, high = stats.t.interval(0.95, measured.freedom, measured.estimate, measured.error)
    assert (measured.low, measured.high) == pytest.approx((low, high))
    assert at_level(measured, 0.9) == interval(num, den, level=0.9)
    borrowed = borrow_seeds(interval(num[:1], den[:1]), measured)
    low, high = stats.t.interval(0.9, borrowed.freedom, borrowed.estimate, borrowed.error)
    assert (at_level(borrowed, 0.9).low, at_level(borrowed, 0.9).high) == pytest.approx((low, high))
    assert at_level(interval(num[:1, :1], den[:1, :1]), 0.9).high == math.inf


def test_a_paired_difference_covers_and_is_narrower_than_unpaired_ones():
    rng = np.random.default_rng(1)
    hits, narrower = [], []
    for _ in range(400):
        num, den = _world(rng)
        other = num - (0.1 + rng.normal(0, 0.02, num.shape)) * den
        paired = difference(num, den, other, den)
        hits.append(paired.low <= 0.1 <= paired.high)
        narrower.append(paired.high - paired.low < 0.5 * (interval(num, den).high - interval(num, den).low))
    assert 0.92 <= np.mean(hits) <= 0.985
    assert np.mean(narrower) > 0.95


def test_one_seed_is_the_ordinary_t_interval_over_speakers():
    values = np.random.default_rng(2).normal(size=7)
    measured = over_speakers(values, np.ones(7))
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (measured.low, measured.high) == pytest.approx((low, high))
    assert (measured.n_speakers, measured.n_seeds) == (7, 1)


def test_one_speaker_is_the_ordinary_t_interval_over_seeds():
    values = np.random.default_rng(3).normal(size=5)
    measured = interval(values[:, None], np.ones((5, 1)), level=0.9)
    low, high = stats.t.interval(0.9, 4, values.mean(), stats.sem(values))
    assert (measured.low, measured.high) == pytest.approx((low, high))


def test_a_single_cell_promises_nothing():
    measured = interval(np.array([[3.0]]), np.array([[4.0]]))
    assert measured.estimate == 0.75
    assert (measured.low, measured.high) == (-math.inf, math.inf)
    assert measured.to_json()["low"] is None


def test_repeating_a_seed_does_not_narrow_the_interval():
    values = np.random.default_rng(4).normal(size=(1, 6))
    one, many = interval(values, np.ones((1, 6))), interval(np.tile(values, (9, 1)), np.ones((9, 6)))
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_variance_components_are_recovered():
    num, den = _world(np.random.default_rng(5), seeds=200, speakers=200)
    measured = interval(num, den)
    # Speakers that say more weigh more: their variance grows by mean(den^2) / mean(den)^2, about 1.04.
    assert math.sqrt(measured.speaker_variance) == pytest.approx(0.1, rel=0.15)
    assert math.sqrt(measured.seed_variance) == pytest.approx(0.03, rel=0.15)
    assert half_width(measured, 200, 200) == pytest.approx((measured.high - measured.low) / 2, rel=0.02)
    assert half_width(measured, 800, 200) < half_width(measured, 200, 200)


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
    for _ in range(400):
        measured = interval(*_world(rng, seeds=1, seed_sd=0.08, speaker_sd=0.03))
        wider = borrow_seeds(measured, interval(*_world(rng, seed_sd=0.08, speaker_sd=0.03)))
        alone.append(measured.low <= 0.5 <= measured.high)
        borrowed.append(wider.low <= 0.5 <= wider.high)
    assert np.mean(alone) < 0.8
    assert 0.92 <= np.mean(borrowed) <= 0.99


def test_an_excess_of_single_runs_is_the_paired_t_interval_over_speakers():
    rng = np.random.default_rng(9)
    own, null = rng.normal(size=(1, 9)), rng.normal(size=(1, 9))
    measured = excess([(own, np.ones((1, 9)))], [(null, np.ones((1, 9)))])
    low, high = stats.t.interval(0.95, 8, (own - null).mean(), stats.sem((own - null)[0]))
    assert (measured.low, measured.high) == pytest.approx((low, high))


def test_an_excess_is_of_the_difference_where_each_side_is_one():
    rng = np.random.default_rng(10)
    (num, den), (other, _), (null, _), (null_other, _) = (_world(rng) for _ in range(4))
    den = np.ones_like(den)
    measured = excess([(num, den), (other, den)], [(null[:1], den[:1]), (null_other[:1], den[:1])])
    joint = excess([(num - other, den)], [(null[:1] - null_other[:1], den[:1])])
    assert (measured.estimate, measured.low, measured.high) == pytest.approx(
        (joint.estimate, joint.low, joint.high)
    )


@pytest.mark.parametrize("null_seeds", [1, 3])
@pytest.mark.parametrize(("seed_sd", "rest_sd"), [(0.03, 0.03), (0.1, 0.01), (0.0, 0.05)])
def test_an_excess_over_a_null_of_few_seeds_covers_and_pairing_removes_the_speakers(
    seed_sd, rest_sd, null_seeds
):
    rng, hits, widths = np.random.default_rng(11), [], []
    for _ in range(600):
        speakers, den = rng.normal(0.5, 0.5, 12), np.ones((6, 12))
        draw = lambda n, shared=speakers: (  # noqa: E731
            shared + rng.normal(0, seed_sd, (n, 1)) + rng.normal(0, rest_sd, (n, 12))
        )
        measured = excess([(draw(6), den)], [(draw(null_seeds), den[:null_seeds])])
        hits.append(measured.low <= 0 <= measured.high)
        widths.append(measured.high - measured.low)
    assert 0.93 <= np.mean(hits) <= 0.99
    assert np.mean(widths) < 0.6  # unpaired: 2 * 2.2 * 0.5 * sqrt(2 / 12) = 0.9


def test_a_null_whose_own_seeds_scatter_makes_its_excess_less_certain():
    rng, den = np.random.default_rng(12), np.ones((6, 12))
    real = [(rng.normal(0.5, 0.001, (6, 12)), den)]
    steady, restless = (
        excess(real, [(0.3 + rng.normal(0, 0.001, (3, 12)) + rng.normal(0, sd, (3, 1)), den[:3])])
        for sd in (0.0, 0.1)
    )
    assert restless.error > 10 * steady.error
    assert restless.seed_variance / 6 == pytest.approx(0.1**2 / 3, rel=1.0)


def test_an_excess_needs_the_same_speakers():
    with pytest.raises(ValueError, match="by speaker"):
        excess([(np.ones((2, 3)), np.ones((2, 3)))], [(np.ones((1, 4)), np.ones((1, 4)))])
