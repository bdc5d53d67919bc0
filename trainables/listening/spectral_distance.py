"""How far the spectra of two sounds are apart, frame by frame.

Shapes: F frequencies, T frames.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

_WINDOW_SECONDS, _HOP_SECONDS = 0.032, 0.008
_FLOOR = 1e-8  # of the loudest power in the reference: 80 dB below it nothing is heard


def log_spectral_distance(reference: np.ndarray, sound: np.ndarray, sample_rate: int) -> float:
    """The log-spectral distance of two sounds [samples] of one length, in dB; 0 where they are equal.

    The root mean square over frequencies of the difference of their levels, averaged over frames. Loudness
    as a whole counts for nothing. It compares frame with frame: speech that is right and slow is as far as
    speech that is wrong.

    A. Gray, J. Markel, "Distance measures for speech processing", 1976.

    Raises:
        ValueError: the sounds differ in length, or are shorter than one window of 32 ms.
    """
    if len(reference) != len(sound):
        raise ValueError(
            f"sounds of {len(reference)} and {len(sound)} samples cannot be compared frame by frame"
        )
    width = round(_WINDOW_SECONDS * sample_rate)
    if len(sound) < width:
        raise ValueError(
            f"{len(sound)} samples are shorter than one window of {1000 * _WINDOW_SECONDS:.0f} ms"
        )
    transform = ShortTimeFFT(hann(width, sym=False), round(_HOP_SECONDS * sample_rate), sample_rate)
    first, last = transform.lower_border_end[1], transform.upper_border_begin(len(sound))[1]
    levels = []
    for audio in (reference, sound):
        scaled = audio / max(float(np.sqrt(np.mean(np.square(audio)))), 1e-9)
        power_FT = transform.spectrogram(scaled.astype(np.float64), p0=first, p1=max(first + 1, last))
        levels.append(power_FT)
    floor = _FLOOR * max(float(levels[0].max()), 1e-12)
    true_FT, heard_FT = (10 * np.log10(np.maximum(power_FT, floor)) for power_FT in levels)
    return float(np.sqrt(np.square(true_FT - heard_FT).mean(0)).mean())
