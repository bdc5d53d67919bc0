"""What is heard in each latent frame: how loud it is, at what pitch, and how much its spectrum changed.

Shapes: P instants, 16 ms apart.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torchaudio.functional as audio_functional
from scipy.fft import rfft
from swift_f0 import SwiftF0

_SILENCE = 1e-12  # power, -120 dB
_WINDOW_SECONDS = 0.04
_PITCH_RATE, _PITCH_STEP = 16000, 0.016  # what the tracker takes (Hz) and the spacing of its answers (s)
_LOWEST, _HIGHEST, _VOICED = 50.0, 550.0, 0.5  # Hz, Hz, confidence


def energy(audio: np.ndarray, frames: int, hop: int) -> np.ndarray:
    """RMS level of the samples of each frame, [frames], in dB re full scale; -120 for digital silence."""
    samples = _fitted(audio, frames * hop).reshape(frames, hop)
    return 10 * np.log10(np.square(samples).mean(1) + _SILENCE)


def pitch_track(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fundamental frequency every 16 ms, float32 [P], in Hz; 0 where unvoiced.

    L. Nieradzik, "SwiftF0: fast and accurate monophonic pitch detection", 2025.
    """
    if sample_rate != _PITCH_RATE:
        audio = audio_functional.resample(torch.from_numpy(audio), sample_rate, _PITCH_RATE).numpy()
    pitch = _tracker().detect(audio, _PITCH_RATE, fmin=_LOWEST, fmax=_HIGHEST)
    return np.where(pitch.confidence >= _VOICED, pitch.pitch_hz, 0.0).astype(np.float32)


def f0(pitch_P: np.ndarray, frames: int, frame_rate: float) -> np.ndarray:
    """Fundamental frequency at the middle of each frame, [frames], in Hz; 0 where unvoiced.

    Args:
        pitch_P: from :func:`pitch_track`.
        frames: number of frames.
        frame_rate: of the latents, Hz.
    """
    middles = (np.arange(frames) + 0.5) / frame_rate
    return pitch_P[np.minimum(np.rint(middles / _PITCH_STEP).astype(int), len(pitch_P) - 1)]


def spectral_flux(audio: np.ndarray, sample_rate: int, frames: int, hop: int) -> np.ndarray:
    """Squared distance of the spectra of each frame and the one before it, [frames], from 0 to 2.

    Magnitude spectra of 40 ms around the middle of each frame, scaled to norm 1. Silence has no shape and
    counts as unchanged; the first frame has 0.

    G. Tzanetakis, P. Cook, "Musical genre classification of audio signals", 2002.
    """
    width = round(_WINDOW_SECONDS * sample_rate)
    padded = np.pad(_fitted(audio, frames * hop), (width // 2, width))
    middles = np.arange(frames) * hop + hop // 2
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[middles]
    spectra = np.abs(rfft(windows * np.hanning(width).astype(np.float32), axis=1))
    norms = np.linalg.norm(spectra, axis=1, keepdims=True)
    shapes = spectra / np.maximum(norms, _SILENCE)
    change = np.square(np.diff(shapes, axis=0)).sum(1)
    heard = np.minimum(norms[1:, 0], norms[:-1, 0]) > _SILENCE
    return np.concatenate([[0.0], np.where(heard, change, 0.0)])


@cache
def _tracker() -> SwiftF0:
    return SwiftF0(threads=1, spin=False)  # because encoding runs one process per core


def _fitted(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))
