"""Rank agreement: against scipy's, exact among few, and uniform where nothing agrees."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from orchestrator.statistics.rank_agreement import rank_agreement


@pytest.mark.parametrize("count", [4, 7, 8, 25])
def test_tau_is_scipys_with_and_without_ties(count):
    rng = np.random.default_rng(count)
    one, other = rng.normal(size=count), rng.normal(size=count)
    for a, b in ((one, other), (np.round(one), np.round(2 * other)), (one, one), (one, -one)):
        assert rank_agreement(a, b).tau == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)


def test_p_is_exact_among_few_and_near_it_among_many():
    rng = np.random.default_rng(0)
    for count, tolerance in ((6, 1e-12), (20, 0.015)):
        one = rng.normal(size=count)
        other = one + rng.normal(size=count)
        exact = kendalltau(one, other, method="exact").pvalue
        assert rank_agreement(one, other).p == pytest.approx(exact, abs=tolerance)
    assert rank_agreement(range(5), range(5)).p == pytest.approx(2 / 120)
    assert rank_agreement(range(30), range(30)).p == 1 / 10_000


def test_p_of_what_has_nothing_in_common_is_below_a_level_as_often_as_it_says():
    rng = np.random.default_rng(1)
    p = [rank_agreement(rng.normal(size=6), rng.integers(0, 3, 6)) for _ in range(400)]
    found = np.array([each.p for each in p if each is not None])
    for level in (0.05, 0.2, 0.5):
        assert (found <= level).mean() <= level + 3 * np.sqrt(level / len(found))


def test_too_few_things_or_ties_alone_have_no_order():
    assert rank_agreement([1, 2, 3], [1, 2, 3]) is None
    assert rank_agreement([1, 1, 1, 1], [1, 2, 3, 4]) is None
