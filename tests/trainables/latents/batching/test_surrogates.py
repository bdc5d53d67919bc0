"""Surrogates keep exactly what they promise to keep, and lose the rest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kurtosis, skew

from trainables.latents.batching.surrogates import matching_ends, phase_randomised, white


@pytest.fixture
def oscillation() -> np.ndarray:
    """A noisy rotation with correlated dimensions, [T = 230, D = 3]."""
    rng = np.random.default_rng(0)
    phase = 0.13 * np.arange(230) + 0.05 * rng.standard_normal(230).cumsum()
    circle = np.stack([np.cos(phase), np.sin(phase), np.cos(phase) ** 3], 1)
    return 2.0 + circle + 0.05 * rng.standard_normal((230, 3))


def test_white_keeps_the_frames_and_nothing_else(oscillation: np.ndarray) -> None:
    shuffled = white(oscillation, np.random.default_rng(1))
    np.testing.assert_array_equal(np.unique(shuffled, axis=0), np.unique(oscillation, axis=0))
    assert abs(_lag_one(shuffled)) < 0.2 < 0.9 < _lag_one(oscillation)


@pytest.mark.parametrize("frames", [230, 229])  # an even and an odd period need not treat Nyquist alike
def test_phase_randomised_keeps_every_covariance_of_its_period(oscillation: np.ndarray, frames: int) -> None:
    oscillation = oscillation[:frames]
    begin, end = matching_ends(oscillation)
    surrogate = phase_randomised(oscillation, np.random.default_rng(2))
    assert surrogate.shape == oscillation.shape
    period = end - begin
    np.testing.assert_allclose(surrogate[:period].mean(0), oscillation[begin:end].mean(0), atol=1e-12)
    np.testing.assert_allclose(
        _circular_covariances(surrogate[:period]), _circular_covariances(oscillation[begin:end]), atol=1e-9
    )
    np.testing.assert_array_equal(surrogate[period:], surrogate[: frames - period])


@pytest.mark.parametrize("frames", [40, 41])
def test_both_parities_of_the_period_keep_covariances(frames: int) -> None:
    """Frames that repeat themselves exactly fix the period."""
    rng = np.random.default_rng(3)
    once = rng.standard_normal((frames, 2))
    signal = np.concatenate([once, once[:5]])
    begin, end = matching_ends(signal)
    assert (end - begin) == frames
    surrogate = phase_randomised(signal, rng)[:frames]
    np.testing.assert_allclose(_circular_covariances(surrogate), _circular_covariances(once), atol=1e-9)


def test_phase_randomised_is_gaussian_though_the_utterance_is_not() -> None:
    rng = np.random.default_rng(4)
    shocks = rng.exponential(size=(2000, 2)) ** 1.5
    burst = np.stack([lfilter([1], [1, -0.6], column) for column in shocks.T], 1)
    surrogates = np.concatenate([phase_randomised(burst, rng) for _ in range(20)])
    assert np.all(skew(burst) > 1.5) and np.all(kurtosis(burst) > 3)
    np.testing.assert_allclose(skew(surrogates), 0, atol=0.25)
    np.testing.assert_allclose(kurtosis(surrogates), 0, atol=0.5)


def test_phase_randomised_does_not_whiten_a_slow_signal() -> None:
    """Half a turn in all: taken as periodic it would jump, and steps of the surrogate would be too large."""
    angle = np.linspace(0, 5.7, 200)
    noise = 0.001 * np.random.default_rng(5).standard_normal((200, 2))
    arc = np.stack([np.cos(angle), np.sin(angle)], 1) + noise
    surrogate = phase_randomised(arc, np.random.default_rng(6))
    assert np.abs(np.diff(surrogate, axis=0)).mean() < 2 * np.abs(np.diff(arc, axis=0)).mean()


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_short_utterances_survive(frames: int) -> None:
    signal = np.random.default_rng(7).standard_normal((frames, 4)).astype(np.float32)
    surrogate = phase_randomised(signal, np.random.default_rng(8))
    assert surrogate.shape == signal.shape and surrogate.dtype == np.float32
    np.testing.assert_allclose(surrogate.mean(0), signal.mean(0), atol=1e-6)


def _circular_covariances(frames: np.ndarray) -> np.ndarray:
    """[lags, D, D] by definition, not by Fourier transform."""
    centred = frames - frames.mean(0)
    return np.stack([centred.T @ np.roll(centred, -lag, axis=0) / len(frames) for lag in range(len(frames))])


def _lag_one(frames: np.ndarray) -> float:
    centred = frames - frames.mean(0)
    return float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
