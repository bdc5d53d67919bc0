"""Frames of `jumps` are white noise in another order, and one LogNormal of magnitudes leaves them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainables.latents.worlds.catalogue import WORLDS

WORLD = WORLDS["jumps"]


@pytest.fixture(scope="module")
def path() -> np.ndarray:
    """Stretches [200, 100, 32]."""
    return WORLD.simulate(200, 100, np.random.default_rng(1))


def test_every_frame_is_normal_whatever_came_before(path: np.ndarray) -> None:
    for t in (0, 50, 99):
        assert stats.kstest(path[:, t].ravel(), "norm").pvalue > 1e-3
    flat = path[:, ::25].reshape(-1, 32)
    np.testing.assert_allclose(np.cov(flat.T), np.eye(32), atol=0.25)


def test_frames_jump_at_the_rate_and_else_hardly_move(path: np.ndarray) -> None:
    sizes = np.linalg.norm(np.diff(path, axis=1), axis=-1)
    jumps = sizes > 2
    assert jumps.mean() == pytest.approx(WORLD.rate, abs=0.01)
    assert sizes[jumps].mean() == pytest.approx(np.sqrt(64), rel=0.03)
    assert sizes[~jumps].mean() == pytest.approx(0.05 * np.sqrt(32), rel=0.03)


@pytest.mark.parametrize(("ordered", "low", "high"), [(True, 1.5, np.inf), (False, 0.8, 1.25)])
def test_one_direction_and_one_magnitude_leave_the_frames_only_in_order(
    path: np.ndarray, ordered: bool, low: float, high: float
) -> None:
    """16 steps of a model that knows the mean direction given the frame and the LogNormal of magnitudes."""
    rng = np.random.default_rng(2)
    frames = path if ordered else rng.permutation(path.reshape(-1, 32)).reshape(path.shape)
    start, steps = frames[:, :-1].reshape(-1, 32), np.diff(frames, axis=1).reshape(-1, 32)
    sizes = np.linalg.norm(steps, axis=1, keepdims=True)
    inward = -(steps / sizes * start).sum(1) / np.linalg.norm(start, axis=1)
    state = frames[:, 0]
    for _ in range(16):
        drawn = rng.integers(len(inward), size=len(state))  # cosines as they are, whatever the magnitude
        across = rng.standard_normal(state.shape)
        unit = -state / np.linalg.norm(state, axis=1, keepdims=True)
        across -= (across * unit).sum(1, keepdims=True) * unit
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        along = inward[drawn, None]
        direction = along * unit + np.sqrt(1 - along**2) * across
        state = state + direction * np.exp(
            rng.normal(np.log(sizes).mean(), np.log(sizes).std(), (len(state), 1))
        )
    assert low < np.sqrt((state**2).mean()) < high
