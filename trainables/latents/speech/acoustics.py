"""What is heard in each latent frame: how loud it is, at what pitch, and how much its spectrum changed.

Shapes: P instants, 16 ms apart; G instants, 10 ms apart.
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
PITCH_RATE, _PITCH_STEP = 16000, 0.016  # what the tracker takes (Hz) and the spacing of its answers (s)
_STEP, _LAG = 160, 2  # samples at that rate, 10 ms, of the other tracks; steps that a spectrum changes in
_LOWEST, _HIGHEST, _VOICED = 50.0, 550.0, 0.5  # Hz, Hz, confidence


def energy(audio: np.ndarray, frames: int, hop: int) -> np.ndarray:
    """RMS level of the samples of each frame, [frames], in dB re full scale; -120 for digital silence."""
    samples = _fitted(audio, frames * hop).reshape(frames, hop)
    return 10 * np.log10(np.square(samples).mean(1) + _SILENCE)


def pitch_track(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fundamental frequency every 16 ms, float32 [P], in Hz; 0 where unvoiced.

    L. Nieradzik, "SwiftF0: fast and accurate monophonic pitch detection", 2025.
    """
    if sample_rate != PITCH_RATE:
        audio = audio_functional.resample(torch.from_numpy(audio), sample_rate, PITCH_RATE).numpy()
    pitch = _tracker().detect(audio, PITCH_RATE, fmin=_LOWEST, fmax=_HIGHEST)
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


def levels(audio: np.ndarray) -> np.ndarray:
    """RMS level of each 10 ms of audio at 16 kHz, [G], in dB re full scale."""
    return energy(audio, -(-len(audio) // _STEP), _STEP)


def flux(audio: np.ndarray) -> np.ndarray:
    """Spectral flux over the 20 ms before each instant of audio at 16 kHz, [G]; see :func:`spectral_flux`."""
    steps = -(-len(audio) // _STEP)
    changes = np.zeros(steps + steps % _LAG)
    half = len(changes) // _LAG
    changes[0::2] = spectral_flux(np.pad(audio, (_STEP, 0)), PITCH_RATE, half, _LAG * _STEP)
    changes[1::2] = spectral_flux(audio, PITCH_RATE, half, _LAG * _STEP)
    return changes[:steps]


def frame_levels(level_G: np.ndarray, frames: int, frame_rate: float) -> np.ndarray:
    """The level of all samples of each frame, [frames], from that of each 10 ms."""
    power = np.maximum(10 ** (level_G.astype(np.float64) / 10) - _SILENCE, 0.0)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    borders = np.arange(frames + 1) / frame_rate * (PITCH_RATE / _STEP)
    shares = np.diff(np.interp(borders, np.arange(len(sums)), sums)) / np.diff(borders)
    return 10 * np.log10(np.maximum(shares, 0.0) + _SILENCE)


def frame_flux(flux_G: np.ndarray, frames: int, frame_rate: float) -> np.ndarray:
    """Spectral flux of each frame, [frames]: around its middle, or the mean over a frame of several 20 ms."""
    step = _LAG * _STEP / PITCH_RATE
    count = max(1, round(1 / (frame_rate * step)))
    offsets = (np.arange(count) - (count - 1) / 2) * step
    instants = ((np.arange(frames) + 0.5) / frame_rate)[:, None] + offsets
    places = np.rint(instants * (PITCH_RATE / _STEP)).astype(int)
    return flux_G[np.clip(places, 0, len(flux_G) - 1)].mean(1)


@cache
def _tracker() -> SwiftF0:
    return SwiftF0(threads=1, spin=False)  # because encoding runs one process per core


def _fitted(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))
