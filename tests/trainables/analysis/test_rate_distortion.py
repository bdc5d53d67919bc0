"""Rates of Gaussian sources against the formulas that hold where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.analysis.rate_distortion import COMMON_SHARE, Distortion, rate_distortion, rates


@pytest.mark.parametrize("squared_error", [0.01, 0.5, 2.9, 6.0])
def test_white_frames_need_half_the_log_of_their_variance_over_the_error_in_every_dimension(
    squared_error: float,
) -> None:
    dim, variance = 3, 2.0
    formula = dim / 2 * np.log2(variance / (squared_error / dim))
    assert rate_distortion(np.full(dim, variance), squared_error) == pytest.approx(formula, abs=1e-12)


def test_an_error_fills_small_dimensions_first() -> None:
    """theta = 0.5 drowns 0.2 and 0.1: D = 0.5 + 0.5 + 0.2 + 0.1."""
    found = rate_distortion(np.array([0.1, 8.0, 0.2, 2.0]), 1.3)
    assert found == pytest.approx(0.5 * np.log2(16) + 0.5 * np.log2(4))


def test_water_filling_meets_the_distortion_and_no_other_split_of_it_is_cheaper() -> None:
    rng = np.random.default_rng(0)
    eigenvalues = rng.gamma(0.7, size=12)
    squared_error = 0.3 * eigenvalues.sum()
    best = rate_distortion(eigenvalues, squared_error)
    for _ in range(200):
        split = np.minimum(squared_error * rng.dirichlet(np.ones(12)), eigenvalues)
        assert 0.5 * np.log2(eigenvalues / split).sum() >= best - 1e-9


def test_an_error_as_large_as_the_variance_costs_nothing_and_none_at_all_has_no_rate() -> None:
    assert rate_distortion(np.array([1.0, 2.0, 0.0]), 3.0) == 0
    assert rate_distortion(np.array([1.0, 2.0, 0.0]), 5.0) == 0
    with pytest.raises(ValueError, match="no finite rate"):
        rate_distortion(np.ones(2), 0.0)


def test_rates_are_per_second_and_at_the_same_share_of_every_variance() -> None:
    own, common = rates([4.0, 4.0], 25.0, [Distortion("lattice", 2.0), Distortion("2 codebooks", 1.0, 500.0)])
    assert common.bits_per_second == pytest.approx(25 * np.log2(1 / COMMON_SHARE))
    assert [(r.cause, r.nominal) for r in own] == [("lattice", None), ("2 codebooks", 500.0)]
    assert own[0].bits_per_second == pytest.approx(25 * np.log2(4)) and own[0].share == pytest.approx(0.25)
    # Scaled frames at a scaled error need the same.
    scaled, _ = rates([36.0, 36.0], 25.0, [Distortion("lattice", 18.0)])
    assert scaled[0].bits_per_second == pytest.approx(own[0].bits_per_second)


def test_frames_behind_a_quantiser_regain_the_error_that_it_made() -> None:
    """A Gaussian of variance 4 coded at an error of 1 in each dimension comes out with variance 3."""
    behind, _ = rates([3.0, 3.0], 1.0, [Distortion("q", 2.0, behind=True)])
    before, _ = rates([4.0, 4.0], 1.0, [Distortion("q", 2.0)])
    assert behind == before


def test_frames_that_never_change_have_no_rate() -> None:
    assert rates([0.0, 0.0], 50.0, [Distortion("lattice", 1.0)]) == ([], None)
