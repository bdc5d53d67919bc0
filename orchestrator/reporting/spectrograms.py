"""Pictures of sounds: what is loud at which pitch and when, to look at beside a player."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from matplotlib import colormaps
from matplotlib.image import imsave
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

_WINDOW_SECONDS = 0.032
_COLUMNS, _ROWS = 360, 80  # of the picture, at most
_RANGE = 70.0  # dB below the loudest that are shown


def spectrogram(wav: bytes) -> str:
    """The spectrogram of a WAV file as a PNG in base64: time to the right, 0 Hz to half the rate upwards,
    from the loudest to 70 dB below it.
    """
    audio, rate = soundfile.read(io.BytesIO(wav), dtype="float64", always_2d=True)
    width = max(16, round(_WINDOW_SECONDS * rate))
    hop = max(1, len(audio) // _COLUMNS)
    transform = ShortTimeFFT(hann(width, sym=False), hop, rate)
    padded = np.pad(audio[:, 0], (0, max(0, width - len(audio))))
    power_FT = transform.spectrogram(padded, p0=0, p1=max(1, len(audio) // hop))
    levels_FT = 10 * np.log10(np.maximum(_pooled(power_FT), 1e-12))
    shown_FT = np.clip(1 + (levels_FT - levels_FT.max()) / _RANGE, 0, 1)
    file = io.BytesIO()
    imsave(file, colormaps["magma"](shown_FT[::-1]), format="png")
    return base64.b64encode(file.getvalue()).decode()


def _pooled(power_FT: np.ndarray) -> np.ndarray:
    """Neighbouring frequencies added up, so that there are not more than a picture has rows."""
    each = -(-len(power_FT) // _ROWS)
    return np.add.reduceat(power_FT, np.arange(0, len(power_FT), each))
