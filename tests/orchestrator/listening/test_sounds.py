"""What is heard: equally loud, never clipped, and a random walk with steps as long as the true ones."""

import numpy as np
import pytest
import torch
import torchaudio.functional as audio_functional

from orchestrator.listening.sounds import LOUDNESS, matched, random_walk

RATE = 16000


def tone(level: float, seconds: float = 1.0) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return level * np.sin(2 * np.pi * 440 * times)


def loudness(audio: np.ndarray) -> float:
    return float(audio_functional.loudness(torch.from_numpy(audio)[None], RATE))


def test_sounds_of_a_trial_are_equally_loud() -> None:
    loud, quiet = matched([tone(0.9), tone(0.01)], RATE)
    assert loudness(loud) == pytest.approx(LOUDNESS, abs=0.1)
    assert loudness(quiet) == pytest.approx(LOUDNESS, abs=0.1)


def test_where_one_would_clip_both_are_quieter() -> None:
    click = np.zeros(RATE)
    click[::4000] = 1.0  # hardly loud, and at full scale
    pair = matched([click, tone(0.5)], RATE)
    assert max(np.abs(audio).max() for audio in pair) <= 0.991
    assert loudness(pair[0]) == pytest.approx(loudness(pair[1]), abs=0.1) and loudness(pair[1]) < LOUDNESS


def test_silence_and_what_is_too_short_stay_as_they_are() -> None:
    for audio in (np.zeros(RATE), tone(0.5, 0.1)):
        assert np.array_equal(matched([audio, tone(0.5)], RATE)[0], audio)


def test_a_random_walk_has_the_true_steps_lengths_and_none_of_their_directions() -> None:
    frames = np.cumsum(np.random.default_rng(0).normal(size=(400, 64)) * np.linspace(0.1, 3, 400)[:, None], 0)
    walk = random_walk(frames, 3)
    steps = np.diff(np.vstack([frames[:1], walk]), axis=0)
    true = np.diff(frames, axis=0)
    assert np.allclose(np.linalg.norm(steps, axis=1), np.linalg.norm(true, axis=1), rtol=1e-3)
    cosines = (steps * true).sum(1) / (np.linalg.norm(steps, axis=1) * np.linalg.norm(true, axis=1))
    assert abs(cosines.mean()) < 0.03 and np.array_equal(walk, random_walk(frames, 3))
