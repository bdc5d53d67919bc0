"""Products are all that is known of the next frame in `product`, and a linear prediction knows nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from trainables.latents.worlds.catalogue import HORIZON, WORLDS

WORLD = WORLDS["product"]


@pytest.fixture(scope="module")
def path() -> np.ndarray:
    """Stretches [400, 100, 32]."""
    return WORLD.simulate(400, 100, np.random.default_rng(1))


def test_frames_are_uncorrelated_within_and_over_time(path: np.ndarray) -> None:
    before, after = path[:, :-1].reshape(-1, 32), path[:, 1:].reshape(-1, 32)
    np.testing.assert_allclose(np.cov(after.T), np.eye(32), atol=0.05)
    assert np.abs(before.T @ after / len(before)).max() < 0.035
    assert 1 - _residuals(before, after).var() / after.var() < 0.002


def test_products_explain_their_share(path: np.ndarray) -> None:
    before, after = path[:, :-1].reshape(-1, 32), path[:, 1:].reshape(-1, 32)
    explained = 1 - ((after - WORLD.mean(before)) ** 2).sum() / (after**2).sum()
    assert explained == pytest.approx(8 * 0.8 / 32, abs=0.01)
    x = before @ WORLD.axes
    found = 1 - _residuals(x[:, :8] * x[:, 8:16], after).var() / after.var()
    assert found == pytest.approx(explained, abs=0.005)


def test_claimed_entropies_are_the_surprise_of_simulated_frames(path: np.ndarray) -> None:
    before, after = path[:, :-1].reshape(-1, 32), path[:, 1:].reshape(-1, 32)
    residual = (after - WORLD.mean(before)) @ WORLD.axes
    scale = np.where((np.arange(32) >= 16) & (np.arange(32) < 24), math.sqrt(0.2), 1.0)
    surprise = -stats.norm(scale=scale).logpdf(residual).sum(1)
    optimum = WORLD.optimum(HORIZON)
    assert surprise.mean() == pytest.approx(optimum.nll, abs=0.1)
    information = stats.differential_entropy((path.reshape(-1, 32) @ WORLD.axes)[:, 16]) - math.log(
        math.sqrt(2 * math.pi * math.e * 0.2)
    )
    assert optimum.predictive_information / 8 == pytest.approx(information, abs=0.03)


def test_the_best_directions_score_the_optimum(path: np.ndarray) -> None:
    """A step to the products and one back: directions of means are nearly means of directions."""
    optimum = WORLD.optimum(HORIZON)
    start = path[:, 10]
    truths = path[:, 11] - path[:, 10], path[:, 12] - path[:, 11]
    moves = WORLD.mean(start) - start, -WORLD.mean(start)
    for k, (truth, move) in enumerate(zip(truths, moves, strict=True)):
        lengths = np.linalg.norm(truth, axis=1), np.linalg.norm(move, axis=1)
        assert ((truth * move).sum(1) / lengths[0] / lengths[1]).mean() == pytest.approx(
            optimum.cos[k], abs=0.03
        )
        ratio = math.exp(np.log(lengths[1] / lengths[0]).mean())
        assert ratio == pytest.approx(optimum.magnitude_ratio[k], abs=0.03)
    assert optimum.cos[2:] == optimum.magnitude_ratio[2:] == [0.0] * (HORIZON - 2)


def _residuals(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return outputs - inputs @ np.linalg.lstsq(inputs, outputs, rcond=None)[0]
