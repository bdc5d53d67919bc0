"""Known distances between spectra."""

import numpy as np
import pytest

from trainables.listening.spectral_distance import log_spectral_distance

RATE = 16000


def noise(seed: int, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=round(seconds * RATE))


def test_a_sound_is_at_no_distance_from_itself_however_loud() -> None:
    assert log_spectral_distance(noise(0), noise(0), RATE) == 0
    assert log_spectral_distance(noise(0), 0.01 * noise(0), RATE) == pytest.approx(0, abs=1e-6)


def test_two_noises_are_as_far_apart_as_the_logarithms_of_their_powers() -> None:
    # The level of a power that is distributed as chi-squared with two degrees of freedom varies by 5.57 dB.
    found = log_spectral_distance(noise(0, 4), noise(1, 4), RATE)
    assert found == pytest.approx(np.sqrt(2) * 10 / np.log(10) * np.pi / np.sqrt(6), rel=0.03)


def test_a_sound_whose_upper_half_is_filtered_is_further_than_one_that_is_nearly_the_same() -> None:
    spectrum = np.fft.rfft(noise(0))
    spectrum[len(spectrum) // 2 :] *= 0.01
    filtered = np.fft.irfft(spectrum)
    near = noise(0) + 0.01 * noise(1)
    assert (
        log_spectral_distance(noise(0), filtered, RATE) > 20 > 2 > log_spectral_distance(noise(0), near, RATE)
    )


def test_sounds_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        log_spectral_distance(noise(0), noise(0)[1:], RATE)
    with pytest.raises(ValueError, match="shorter than one window"):
        log_spectral_distance(noise(0)[:100], noise(0)[:100], RATE)
