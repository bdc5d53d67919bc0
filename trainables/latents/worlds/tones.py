"""What the control world `directional` sounds like: a harmonic tone that follows its frames.

Shapes: T frames, D latent dimensions, N samples, H harmonics.
"""

from __future__ import annotations

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of, sound_latents
from trainables.latents.storage.parquet_file import PREFIX
from trainables.latents.worlds.directional import DIRECTIONAL

_HOP = 320  # samples in a frame
_PITCH, _PITCH_OCTAVES = 160.0, 0.5  # Hz at the centre of the circle, octaves from there to its rim
_FORMANT, _FORMANT_OCTAVES, _WIDTH = 700.0, 1.2, 0.6  # likewise; standard deviation in octaves
_HARMONICS, _HIGHEST = 32, 6500.0  # Hz, above which a harmonic is left out
_VOICE, _BREATH, _HISS = 0.5, 0.002, 0.2  # of full scale; hiss for each squared radius beyond _AROUND
# Radii from the circle's plane: the world itself stays within the first in 99 of 100 frames; what is further
# away than the second sounds like it.
_AROUND, _FURTHEST = 0.45, 2.0


class Tones:
    """The decoder of ``directional``: harmonics of one pitch under one formant, and hiss.

    The world turns on a circle in a plane. One coordinate in that plane moves the pitch, by an octave from
    rim to rim, the other the formant, so that a frame that turns at the right speed sounds like a siren that
    says "wow"; one that stands still is a steady tone. Frames that walk off in directions that mean nothing,
    further from the plane than the world itself goes, become hoarse.

    Frames are made, not recorded, so nothing is ever encoded.
    """

    name = f"{PREFIX}directional"
    sample_rate = 50 * _HOP
    frame_rate = 50.0
    dim = DIRECTIONAL.dim
    hash = hash_of(
        f"tones {_HOP} {_PITCH} {_PITCH_OCTAVES} {_FORMANT} {_FORMANT_OCTAVES} {_WIDTH} {_HARMONICS} "
        f"{_HIGHEST} {_VOICE} {_BREATH} {_HISS} {_AROUND} {_FURTHEST} {DIRECTIONAL.dim} {DIRECTIONAL.radius}"
    )
    lattice_step: float | None = None
    weights: str | None = None
    note = ""
    uses_gpu = False

    def __init__(self, weights: str | None) -> None:
        if weights is not None:
            raise InputError(f"representation {self.name} has no weights; leave out --weights {weights}")

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Refuse audio, which is no control world.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self.name} is a control world, to which nothing is encoded; give it as --latents {self.name}"
        )

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio [T * 320] at 16 kHz of frames [T, D]; raises as ``Codec.decode``."""
        frames_TD = sound_latents(latents, self.dim).astype(np.float64) / DIRECTIONAL.radius
        place_T2 = frames_TD @ DIRECTIONAL.plane
        away_T = np.linalg.norm(frames_TD - place_T2 @ DIRECTIONAL.plane.T, axis=1)
        place_T2, away_T = np.clip(place_T2, -_FURTHEST, _FURTHEST), np.minimum(away_T, _FURTHEST)
        pitch_T = _PITCH * 2 ** (_PITCH_OCTAVES * place_T2[:, 0])
        formant_T = _FORMANT * 2 ** (_FORMANT_OCTAVES * place_T2[:, 1])
        phase_N = 2 * np.pi * np.cumsum(_sampled(pitch_T)) / self.sample_rate
        voice_N = np.zeros(len(phase_N))
        for number, level_T in enumerate(_levels(pitch_T, formant_T).T, 1):
            voice_N += _sampled(level_T) * np.sin(number * phase_N)
        hiss_N = np.random.default_rng(0).uniform(-1, 1, len(phase_N))
        level_N = _BREATH + _HISS * _sampled(np.maximum(away_T - _AROUND, 0) ** 2)
        return (_VOICE * voice_N + level_N * hiss_N).astype(np.float32)


def _levels(pitch_T: np.ndarray, formant_T: np.ndarray) -> np.ndarray:
    """The amplitudes [T, H] of harmonics: a bell around the formant on an octave scale, of sum 1."""
    hertz_TH = pitch_T[:, None] * np.arange(1, _HARMONICS + 1)
    octaves_TH = np.log2(hertz_TH / formant_T[:, None])
    bells_TH = np.exp(-0.5 * (octaves_TH / _WIDTH) ** 2) * (hertz_TH < _HIGHEST)
    return bells_TH / bells_TH.sum(1, keepdims=True)


def _sampled(values_T: np.ndarray) -> np.ndarray:
    """Values of frames at every sample [N]: straight lines between the middles of frames."""
    samples = np.arange(len(values_T) * _HOP) + 0.5
    return np.interp(samples, _HOP * (np.arange(len(values_T)) + 0.5), values_T)
