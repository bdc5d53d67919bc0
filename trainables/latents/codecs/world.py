"""The WORLD vocoder's parameters, which need no weights: 16 kHz, 50 Hz, 43 dimensions, decoded by synthesis.

Pitch is estimated by DIO and refined by StoneMask. WORLD's other tracker, Harvest, copies speech a little
better (0.61 against 0.64 nepers of log spectrum) and takes 25 times as long: encoding would then be 3 times
as fast as speech, and not 50 times.

M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system", 2016.
M. Morise, G. Miyashita, K. Ozawa, "Low-dimensional representation of spectral envelope without
deterioration", 2017, for the code of the envelope.

Shapes: T frames of 20 ms, W instants of 5 ms.
"""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import dithered, hash_of, noise_of, sound_latents, whole_frames

if TYPE_CHECKING:
    import setuptools  # noqa: F401  # pyworld asks pkg_resources for its version, and declares no need of it

_RATE, _HOP, _STEP = 16000, 320, 0.005  # Hz, samples, s
_ENVELOPE = 40  # coefficients of the envelope's cepstrum on the mel scale
_FFT = 1024  # what WORLD takes for 16 kHz and pitches from 71 Hz
_LOWEST, _HIGHEST = 71.0, 800.0  # Hz, of the tracker
_POWERS = (1e-16, 1e4)  # of the envelope: silence, and far above full scale
# Fixed means and standard deviations, measured on read speech: each block has a variance of about 1. All
# coefficients of the envelope share one, so that distances between envelopes stay those of their log spectra.
_PITCH, _PITCH_SPREAD = math.log(165.0), 0.35  # of ln f0
_APERIODICITY, _APERIODICITY_SPREAD = -4.0, 6.0  # dB
_LOUDNESS, _ENVELOPE_SPREAD = -11.0, 4.0  # of the coefficient of order 0, and of all together
_DITHER = 0.02


class WorldVocoder:
    """``world``: the parameters of WORLD at the middle of each frame, 10 ms after it begins.

    =====  ============================================================================================
    index  parameter
    =====  ============================================================================================
    0      (ln f0 - ln 165) / 0.35, f0 in Hz; interpolated through what is unvoiced, held before and after
    1      +1 where voiced, -1 where not
    2      (aperiodicity of the band around 3 kHz in dB + 4) / 6
    3..42  the envelope's mel cepstrum / 4, order 0 (loudness) after 11 have been added to it
    =====  ============================================================================================

    Where there is no voice the first three stand still or move in a straight line, and a density of what is
    known exactly has no bound: each gets uniform noise of +-0.02, which is 0.7 % of f0, drawn from the audio
    itself. Noise of half a least significant bit in the audio keeps the envelope of silence moving.

    Raises:
        InputError: weights are given, or the package pyworld is not installed.
    """

    name = "world"
    sample_rate = _RATE
    frame_rate = 50.0
    dim = 3 + _ENVELOPE
    lattice_step = None
    weights = None
    note = ""
    uses_gpu = False

    def __init__(self, weights: str | None) -> None:
        if weights is not None:
            raise InputError(f"representation {self.name} has no weights; leave out --weights {weights}")
        _pyworld()  # if it is missing, that is said once, and not for every recording
        pitch, aperiodicity = (_PITCH, _PITCH_SPREAD), (_APERIODICITY, _APERIODICITY_SPREAD)
        scales = (*pitch, *aperiodicity, _LOUDNESS, _ENVELOPE_SPREAD, _DITHER)
        self.hash = hash_of(f"{self.name} dio stonemask {_HOP} {_ENVELOPE} {_FFT} {scales}")

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Parameters [frames, 43] of audio [samples] at 16 kHz; raises as ``Codec.encode``."""
        world, whole = _pyworld(), whole_frames(audio, _HOP)
        noise = noise_of(whole)
        samples = dithered(whole, noise).astype(np.float64)
        middles = _middles(len(samples) // _HOP)
        coarse, instants = world.dio(samples, _RATE, _LOWEST, _HIGHEST, frame_period=1000 * _STEP)
        at_middles = np.rint(middles / _STEP).astype(int)
        f0 = world.stonemask(samples, coarse, instants, _RATE)[at_middles]
        envelope = world.cheaptrick(samples, f0, middles, _RATE, fft_size=_FFT)
        aperiodicity = world.d4c(samples, f0, middles, _RATE, fft_size=_FFT)
        excitation_T3 = np.stack(
            [
                _pitch(f0),
                np.where(f0 > 0, 1.0, -1.0),
                (world.code_aperiodicity(aperiodicity, _RATE)[:, 0] - _APERIODICITY) / _APERIODICITY_SPREAD,
            ],
            axis=1,
        )
        cepstrum = world.code_spectral_envelope(envelope, _RATE, _ENVELOPE)
        cepstrum[:, 0] -= _LOUDNESS
        excitation_T3 += noise.uniform(-_DITHER, _DITHER, excitation_T3.shape)
        return np.concatenate([excitation_T3, cepstrum / _ENVELOPE_SPREAD], axis=1).astype(np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio [frames * 320] at 16 kHz of parameters [frames, 43], which are interpolated to every 5 ms.

        Raises as ``Codec.decode``.
        """
        world, frames = _pyworld(), sound_latents(latents, self.dim).astype(np.float64)
        instants = np.arange(round(_HOP / _RATE / _STEP) * len(frames) + 1) * _STEP
        pitch, voicing, aperiodicity, *cepstrum = (
            np.interp(instants, _middles(len(frames)), track) for track in frames.T
        )
        f0 = np.exp(np.clip(_PITCH + _PITCH_SPREAD * pitch, np.log(_LOWEST), np.log(_HIGHEST)))
        cepstrum_WE = _ENVELOPE_SPREAD * np.stack(cepstrum, axis=1)
        cepstrum_WE[:, 0] += _LOUDNESS
        envelope = world.decode_spectral_envelope(cepstrum_WE, _RATE, _FFT)
        decibels = np.minimum(_APERIODICITY + _APERIODICITY_SPREAD * aperiodicity, 0.0)
        audio = world.synthesize(
            np.where(voicing > 0, f0, 0.0),
            np.clip(np.nan_to_num(envelope, nan=_POWERS[0]), *_POWERS),
            world.decode_aperiodicity(decibels[:, None], _RATE, _FFT),
            _RATE,
            1000 * _STEP,
        )
        return audio[: len(frames) * _HOP].astype(np.float32)


def _pitch(f0: np.ndarray) -> np.ndarray:
    """Scaled ln f0 [T], interpolated where f0 is 0; 0, which is 165 Hz, where no frame is voiced."""
    voiced = np.flatnonzero(f0)
    if not len(voiced):
        return np.zeros(len(f0))
    scaled = (np.log(f0[voiced]) - _PITCH) / _PITCH_SPREAD
    return np.interp(np.arange(len(f0)), voiced, scaled)


def _middles(frames: int) -> np.ndarray:
    return (np.arange(frames) + 0.5) * (_HOP / _RATE)


def _pyworld() -> ModuleType:
    with warnings.catch_warnings():  # pkg_resources is deprecated, which our users cannot mend
        warnings.simplefilter("ignore")
        try:
            import pyworld
        except ImportError:
            raise InputError(
                "representation world needs the package pyworld, which is built where it is installed; put a "
                "C++ compiler on this machine and run: pip install -c constraints.txt -e '.[world]'"
            ) from None
    return pyworld
