"""Sizes, ranks, intrinsic dimensions and clusters where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.trainables.analysis.synthetic import autoregression, feed
from trainables.analysis.context_clusters import cluster_scores
from trainables.analysis.geometry import dimensions_holding, effective_rank, geometry
from trainables.analysis.intrinsic_dimension import two_nn
from trainables.analysis.probe_cases import scale_of
from trainables.errors import InputError

POINTS = 4000


def test_an_autoregression_has_the_sizes_and_the_memory_of_its_formula() -> None:
    dim, decay = 16, 0.8
    train, _ = autoregression(dim, decay, (60, 1), 400)
    found = geometry(train, scale_of(train), rms=3.0)
    expected = {f"autocorrelation_{lag}": decay**lag for lag in (1, 2, 4, 8)}
    # Successive deltas correlate with -(1 - a) / 2, and their cosine's mean is a little nearer to 0.
    expected["delta_cosine"] = -(1 - decay) / 2
    for name, value in expected.items():
        assert found.scores.value(name) == pytest.approx(value, abs=0.02), name
    assert found.scores.value("norm") == pytest.approx(3 * math.sqrt(dim), rel=0.03)
    assert found.delta_norm_quantiles[3] == pytest.approx(3 * math.sqrt(2 * (1 - decay) * dim), rel=0.04)
    np.testing.assert_allclose(found.eigenvalues.mean(), 9, rtol=0.05)
    assert effective_rank(found.eigenvalues) > 0.98 * dim


def test_effective_rank_and_dimensions_of_spectra_known_by_hand() -> None:
    assert effective_rank(np.array([2.0, 2, 2, 2, 0])) == pytest.approx(4)
    assert effective_rank(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert effective_rank(np.array([3.0, 1])) == pytest.approx(
        math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    )
    assert dimensions_holding(np.array([8.0, 1, 1])) == 2
    assert dimensions_holding(np.array([1.0] * 10)) == 9


def _sphere(rng: np.random.Generator, dim: int) -> np.ndarray:
    points = rng.standard_normal((POINTS, dim + 1))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _swiss_roll(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(1.5 * np.pi, 4.5 * np.pi, POINTS)
    return np.stack([angle * np.cos(angle), 30 * rng.uniform(size=POINTS), angle * np.sin(angle)], 1)


def _embedded(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """In 40 dimensions, somewhere and turned."""
    basis = np.linalg.qr(rng.standard_normal((40, points.shape[1])))[0]
    return 100 + points @ basis.T


@pytest.mark.parametrize(
    ("name", "dimension"),
    [("circle", 1), ("sphere", 2), ("roll", 2), ("cube3", 3), ("sphere5", 5), ("sphere8", 8)],
)
def test_two_nn_counts_the_dimensions_of_a_manifold(name: str, dimension: int) -> None:
    rng = np.random.default_rng(1)
    makers = {
        "circle": lambda: _sphere(rng, 1),
        "sphere": lambda: _sphere(rng, 2),
        "roll": lambda: _swiss_roll(rng),
        "cube3": lambda: rng.uniform(size=(POINTS, 3)),
        "sphere5": lambda: _sphere(rng, 5),
        "sphere8": lambda: _sphere(rng, 8),
    }
    found = two_nn(_embedded(rng, makers[name]()))
    assert found == pytest.approx(dimension, rel=0.1)


def test_repeated_points_count_once_and_too_few_are_refused() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(size=(2000, 2))
    assert two_nn(np.concatenate([points, points, points[:500]])) == pytest.approx(two_nn(points))
    with pytest.raises(InputError, match="at least 20 different points, and there are 7"):
        two_nn(np.tile(points[:7], (10, 1)))


def test_clusters_of_contexts_hold_what_repeats_and_random_ones_nothing() -> None:
    """A walk on a ring of 12 states with a step per state: the context says which step comes."""
    rng = np.random.default_rng(3)
    states = 4 * rng.standard_normal((12, 6))
    sides = [
        feed(
            states[(rng.integers(12, size=(n, 1)) + np.arange(200)) % 12]
            + 0.05 * rng.standard_normal((n, 200, 6)),
            s,
        )
        for n, s in ((40, "a"), (10, "b"))
    ]
    scores = cluster_scores(*sides, scale_of(sides[0]))["real"]
    assert scores.value("cluster_ratio") < 0.05
    assert scores.value("random_ratio") == pytest.approx(1, abs=0.02)


def test_on_white_noise_clusters_say_where_a_step_starts_and_no_more() -> None:
    """delta = z' - z: what is left is at least the half that z' holds."""
    train, held_out = autoregression(4, 0.0, (40, 10), 300)
    scores = cluster_scores(train, held_out, scale_of(train))["real"]
    assert 0.5 < scores.value("cluster_ratio") < 1 < scores.value("random_ratio") + 0.02
