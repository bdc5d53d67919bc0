"""A correction by the score helps the noisy model of the ring and harms the quiet one, as once measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from trainables.latents.worlds.catalogue import WORLDS
from trainables.latents.worlds.ring import Ring
from trainables.predictor.evaluation.proper_scores import energy_score

NOISY, QUIET = WORLDS["ring"], WORLDS["ring_quiet"]
STARTS, SAMPLES, STEPS = 1000, 10, 16
BLUR = 0.3
RMS_DISTANCE = np.sqrt(2 * (16 + 16 * 0.1**2))  # between random frames


def test_frames_lie_on_the_ring_and_turn() -> None:
    path = NOISY.simulate(300, 50, np.random.default_rng(1))
    x = path @ NOISY.plane
    across = path - x @ NOISY.plane.T
    assert np.linalg.norm(x, axis=-1).mean() == pytest.approx(4.0, abs=0.01)
    assert across.std() * np.sqrt(16 / 14) == pytest.approx(0.1, rel=0.02)
    turned = np.diff(np.unwrap(np.arctan2(x[..., 1], x[..., 0]), axis=1), axis=1)
    assert turned.mean() == pytest.approx(0.3, abs=0.005)
    assert turned.std() == pytest.approx(np.hypot(0.15, np.sqrt(2) * 0.1 / 4), rel=0.03)
    assert QUIET.simulate(2, 9, np.random.default_rng(2)) == pytest.approx(
        NOISY.simulate(2, 9, np.random.default_rng(2))
    )


def test_score_is_the_slope_of_the_log_density() -> None:
    """The density by a mean of Gaussians along the ring, its slope by differences."""
    angles = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    ring = 4 * np.stack([np.cos(angles), np.sin(angles)], -1) @ NOISY.plane.T

    def log_density(z: np.ndarray) -> float:
        parts = stats.norm(scale=np.hypot(0.1, BLUR)).logpdf(z - ring).sum(-1)
        return float(np.logaddexp.reduce(parts))

    z = NOISY.simulate(1, 1, np.random.default_rng(3))[0, 0] + 0.4
    slopes = [(log_density(z + 1e-5 * e) - log_density(z - 1e-5 * e)) / 2e-5 for e in np.eye(16)]
    np.testing.assert_allclose(NOISY.score(z, BLUR), slopes, rtol=1e-4)


@pytest.fixture(scope="module")
def corrected() -> np.ndarray:
    """Energy scores of the noisy model with the score's correction."""
    return _rollouts(NOISY, lambda z: z + BLUR**2 * NOISY.score(z, BLUR))[0]


def test_correction_helps_where_noise_is_in_excess(corrected: np.ndarray) -> None:
    plain, _ = _rollouts(NOISY, lambda z: z)
    np.testing.assert_allclose(plain[[0, 3, 15]], [0.131, 0.239, 0.471], atol=0.012)
    np.testing.assert_allclose(corrected[[0, 3, 15]], [0.084, 0.132, 0.245], atol=0.012)


def test_correction_harms_where_noise_is_not_in_excess_although_the_error_falls() -> None:
    plain, errors = _rollouts(QUIET, lambda z: z)
    corrected, corrected_errors = _rollouts(QUIET, lambda z: z + BLUR**2 * QUIET.score(z, BLUR))
    assert plain[15] == pytest.approx(0.279, abs=0.012)
    assert corrected[15] == pytest.approx(0.299, abs=0.012)
    assert corrected[15] > plain[15] + 0.01
    assert corrected_errors[15] < 0.8 * errors[15]


def test_shrinking_does_not_do_what_the_score_does_and_a_gaussian_score_nearly_does(
    corrected: np.ndarray,
) -> None:
    """Over the first eight steps, against a step to the mean of the same length and along the score of a
    Gaussian with the ring's covariance, which knows its plane.
    """
    shrunk, _ = _rollouts(NOISY, lambda z: _shrink(z, BLUR**2 * NOISY.score(z, BLUR)), 8)
    gaussian, _ = _rollouts(NOISY, _gaussian_step, 8)
    assert corrected[:8].mean() < 0.3 * shrunk.mean()
    assert 0.95 * gaussian.mean() < corrected[:8].mean() < 0.98 * gaussian.mean()


def _shrink(z: np.ndarray, step: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(step, axis=-1, keepdims=True) / np.linalg.norm(z, axis=-1, keepdims=True)
    return z * (1 - lengths)


def _gaussian_step(z: np.ndarray) -> np.ndarray:
    x = z @ NOISY.plane @ NOISY.plane.T
    within, across = 16 / 2 + 0.1**2 + BLUR**2, 0.1**2 + BLUR**2
    return z - BLUR**2 * (x / within + (z - x) / across)


def _rollouts(
    world: Ring, correct: Callable[[np.ndarray], np.ndarray], steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Energy score and RMS error [steps] of the model's free runs, over the distance between frames."""
    rng = np.random.default_rng(6)
    path = world.simulate(STARTS, STEPS + 1, rng)
    samples = np.repeat(path[None, :, 0], SAMPLES, 0)
    scores, errors = [], []
    for k in range(1, steps + 1):
        samples = correct(world.model_step(samples, rng))
        truth = torch.from_numpy(path[:, k])
        scores.append(float(energy_score(torch.from_numpy(samples), truth).mean()))
        errors.append(np.sqrt(((samples - path[:, k]) ** 2).sum(-1).mean()))
    return np.array(scores) / RMS_DISTANCE, np.array(errors) / RMS_DISTANCE
