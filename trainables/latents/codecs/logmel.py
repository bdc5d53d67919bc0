"""The log-mel spectrogram, which needs no weights: 16 kHz, 50 Hz, 80 dimensions, decoded by Griffin-Lim.

Shapes: T frames, F frequencies, M mel bands.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import dithered, hash_of, noise_of, sound_latents, whole_frames

if TYPE_CHECKING:
    from torch import Tensor

_HOP, _N_FFT, _DIM, _FLOOR = 320, 1024, 80, 1e-6
_INVERSION_STEPS, _PHASE_STEPS = 50, 32


class LogMel:
    """``logmel``: ln of the HTK mel magnitude spectrogram; frame t is centred on sample 320 t.

    Dither of half a least significant bit, drawn from the audio itself, keeps digital silence off the floor,
    where every frame would equal the one before it and a density of their difference would have no bound.
    """

    name = "logmel"
    sample_rate = 16000
    frame_rate = 50.0
    dim = _DIM
    lattice_step = None
    weights = None
    note = ""
    uses_gpu = False

    def __init__(self, weights: str | None) -> None:
        if weights is not None:
            raise InputError(f"representation {self.name} has no weights; leave out --weights {weights}")
        self.hash = hash_of(f"{self.name} {_HOP} {_N_FFT} {_DIM} {_FLOOR} magnitude htk dither")

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Log-mel frames [frames, 80] of audio [samples] at 16 kHz; raises as ``Codec.encode``."""
        import torch

        whole = whole_frames(audio, _HOP)
        samples = torch.from_numpy(dithered(whole, noise_of(whole)))
        frames = len(samples) // _HOP
        spectrum_FT = torch.stft(
            samples, _N_FFT, _HOP, window=self._window, pad_mode="constant", return_complex=True
        ).abs()[:, :frames]
        return (self._filters_FM.T @ spectrum_FT).clamp(min=_FLOOR).log().T.contiguous().numpy()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio [frames * 320] at 16 kHz of log-mel frames [frames, 80]; raises as ``Codec.decode``.

        The random phases that Griffin-Lim starts from are the same every time.
        """
        import torch
        from torchaudio.functional import griffinlim

        # Frames are centred on their hops: without two more frames the audio would end too early.
        padded = np.pad(sound_latents(latents, _DIM), ((0, 2), (0, 0)), mode="edge")
        spectrum_FT = self._linear_spectrum(torch.from_numpy(padded).T.exp())
        samples = _HOP * (len(padded) - 1)
        with torch.random.fork_rng(devices=[]):  # Griffin-Lim starts from random phases
            torch.manual_seed(0)
            return griffinlim(
                spectrum_FT,
                self._window,
                _N_FFT,
                _HOP,
                _N_FFT,
                power=1.0,
                n_iter=_PHASE_STEPS,
                momentum=0.99,
                length=samples,
                rand_init=True,
            ).numpy()[: _HOP * len(latents)]

    @cached_property
    def _filters_FM(self) -> Tensor:
        from torchaudio.functional import melscale_fbanks

        return melscale_fbanks(
            _N_FFT // 2 + 1, 0.0, self.sample_rate / 2, _DIM, self.sample_rate, norm=None, mel_scale="htk"
        )

    @cached_property
    def _window(self) -> Tensor:
        import torch

        return torch.hann_window(_N_FFT)

    def _linear_spectrum(self, mel_MT: Tensor) -> Tensor:
        """The spectrum [F, T] whose mel is nearest in Kullback-Leibler divergence, by multiplicative updates.

        D. D. Lee, H. S. Seung, "Algorithms for non-negative matrix factorization", 2001, with fixed filters.
        """
        filters = self._filters_FM
        weight_F1 = filters.sum(1, keepdim=True).clamp(min=1e-8)
        spectrum_FT = (mel_MT.mean() / filters.sum()).expand(len(filters), mel_MT.shape[1])
        for _ in range(_INVERSION_STEPS):
            ratio_MT = mel_MT / (filters.T @ spectrum_FT).clamp(min=1e-12)
            spectrum_FT = spectrum_FT * (filters @ ratio_MT) / weight_F1
        return spectrum_FT
