"""What a design can detect: against the noncentral t where there is one, and by the intervals themselves."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from orchestrator.statistics.intervals import half_width, interval
from orchestrator.statistics.power import (
    LARGEST_COUNT,
    fewest,
    fewest_seeds,
    needed,
    smallest_effect,
    smallest_p,
    spread_of,
)
from search_spaces.study import Spread

SPREAD = Spread(speakers=0.05, seeds=0.02, rest=0.03)


@pytest.mark.parametrize("speakers", [4, 10])
def test_over_speakers_alone_it_is_the_effect_of_the_noncentral_t(speakers):
    measured = smallest_effect(Spread(1.0, 0.0, 0.0), speakers, 1, 0.95, 0.8)
    critical = stats.t.ppf(0.975, speakers - 1)
    power = lambda effect: stats.nct.sf(critical, speakers - 1, effect * math.sqrt(speakers))  # noqa: E731
    assert measured == pytest.approx(optimize.brentq(lambda e: power(e) - 0.8, 0.1, 9), rel=0.03)


def test_with_very_many_cells_it_is_the_effect_of_the_normal_law():
    measured = smallest_effect(Spread(0.0, 0.0, 1.0), 300, 300, 0.95, 0.8)
    assert measured * 300 == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=0.03)


@pytest.mark.parametrize(("speakers", "seeds"), [(8, 5), (12, 6)])
def test_intervals_clear_the_threshold_as_often_as_it_says(speakers, seeds):
    effect, rng = smallest_effect(SPREAD, speakers, seeds, 0.95, 0.8), np.random.default_rng(1)
    shown = []
    for _ in range(1000):
        cells = effect + rng.normal(0, SPREAD.rest, (seeds, speakers))
        cells = cells + rng.normal(0, SPREAD.speakers, speakers) + rng.normal(0, SPREAD.seeds, (seeds, 1))
        shown.append(interval(cells, np.ones_like(cells)).low > 0)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.04)


def test_more_of_either_shows_less_and_one_of_each_nothing():
    base = smallest_effect(SPREAD, 8, 5, 0.95, 0.8)
    assert smallest_effect(SPREAD, 30, 5, 0.95, 0.8) < base
    assert smallest_effect(SPREAD, 8, 20, 0.95, 0.8) < base
    assert smallest_effect(SPREAD, 8, 5, 0.95, 0.9) > base
    assert smallest_effect(SPREAD, 8, 5, 0.99, 0.8) > base
    assert smallest_effect(SPREAD, 1, 1, 0.95, 0.8) == math.inf
    assert smallest_effect(Spread(0.0, 0.0, 0.0), 8, 5, 0.95, 0.8) == 0


def test_needed_is_the_first_count_that_detects():
    effect = 0.8 * smallest_effect(SPREAD, 8, 5, 0.95, 0.8)
    speakers, seeds = needed(effect, SPREAD, 8, 5, 0.95, 0.8)
    assert speakers > 8
    assert smallest_effect(SPREAD, speakers, 5, 0.95, 0.8) <= effect
    assert smallest_effect(SPREAD, speakers - 1, 5, 0.95, 0.8) > effect
    assert seeds is None  # eight speakers are the limit
    assert needed(1.0, SPREAD, 8, 5, 0.95, 0.8) == (8, 5)


@pytest.mark.parametrize("least", [3, 4, 5, 77, LARGEST_COUNT, LARGEST_COUNT + 1])
def test_fewest_finds_the_border(least):
    assert fewest(lambda n: n >= least, 3) == (least if least <= LARGEST_COUNT else None)


def test_sign_flips_of_three_seeds_cannot_reach_5_percent():
    for seeds in (3, 5, 6):
        flips = [abs(sum(signs)) for signs in itertools.product((-1, 1), repeat=seeds)]
        assert smallest_p(seeds) == np.mean([flip >= seeds for flip in flips])
    assert [fewest_seeds(alpha) for alpha in (0.5, 0.25, 0.05, 0.01)] == [2, 3, 6, 8]
    assert all(smallest_p(fewest_seeds(a)) <= a < smallest_p(fewest_seeds(a) - 1) for a in (0.25, 0.1, 0.05))


def test_the_measured_spread_is_that_of_one_cell():
    rng = np.random.default_rng(2)
    cells = rng.normal(0, 3, (60, 80)) + rng.normal(0, 2, (60, 1)) + rng.normal(0, 1, 80)
    measured = interval(cells, np.ones_like(cells))
    spread = spread_of(measured, "this test")
    assert (spread.speakers, spread.seeds, spread.rest) == pytest.approx((1, 2, 3), rel=0.25)
    assert spread.source == "this test"
    parts = spread.speakers**2 / 80 + spread.seeds**2 / 60 + spread.rest**2 / 4800
    assert half_width(measured, 80, 60) == pytest.approx(measured.high - measured.estimate)
    assert measured.error == pytest.approx(math.sqrt(parts))
    with pytest.raises(ValueError, match="no spread"):
        spread_of(interval(cells[:1, :1], np.ones((1, 1))))
