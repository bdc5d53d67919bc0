"""A picture of a sound shows its pitch where it is, and its beginning to the left."""

import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from orchestrator.reporting.spectrograms import spectrogram
from trainables.listening.decode import wav_bytes

RATE = 16000


def picture(audio: np.ndarray) -> np.ndarray:
    """Brightness, [height, width]."""
    return imread(io.BytesIO(base64.b64decode(spectrogram(wav_bytes(audio, RATE)))))[..., :3].sum(-1)


@pytest.mark.parametrize("hertz", [1000, 4000, 7000])
def test_a_tone_is_bright_at_its_pitch_and_while_it_sounds(hertz: int) -> None:
    times = np.arange(2 * RATE) / RATE
    drawn = picture(np.where(times < 1, 0.5 * np.sin(2 * np.pi * hertz * times), 0))
    row = drawn[:, : drawn.shape[1] // 3].mean(1).argmax()
    assert 1 - row / len(drawn) == pytest.approx(hertz / (RATE / 2), abs=0.03)
    assert drawn[row, : drawn.shape[1] // 3].mean() > 5 * drawn[row, 2 * drawn.shape[1] // 3 :].mean()
    assert drawn.shape[0] <= 90 and drawn.shape[1] <= 400


@pytest.mark.parametrize("samples", [1, 100, 500])
def test_short_and_silent_sounds_have_a_picture_too(samples: int) -> None:
    assert picture(np.zeros(samples)).size > 0
