"""What codecs that run in torch have in common: a model loaded at first use, on a GPU where there is one.

Shapes: S samples, T frames, D dimensions; 1 stands for the batch of one and for the single channel of audio.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trainables.latents.codecs.base import sound_latents, whole_frames

if TYPE_CHECKING:
    from torch import Tensor


class Neural(ABC):
    """From arrays to tensors and back around a model; what the model does is each codec's own."""

    sample_rate: int
    frame_rate: float
    dim: int
    hop: int  # samples of a frame
    lattice_step = None
    uses_gpu = True

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] at ``sample_rate`` to latents [frames, dim]; raises as ``Codec.encode``."""
        import torch

        samples = whole_frames(audio, self.hop)
        with torch.inference_mode():
            latents_1DT = self._encode(self._tensor(samples)[None, None])
        return latents_1DT[0].T.contiguous().cpu().numpy()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents [frames, dim] to audio [frames * hop]; raises as ``Codec.decode``."""
        import torch

        frames = sound_latents(latents, self.dim)
        with torch.inference_mode():
            audio = self._decode(self._tensor(frames).T[None])[0, 0].cpu().numpy()
        samples = len(frames) * self.hop
        return np.pad(audio[:samples], (0, max(0, samples - len(audio))))

    @abstractmethod
    def _encode(self, samples_11S: Tensor) -> Tensor:
        """Samples of whole frames to latents [1, D, T]."""

    @abstractmethod
    def _decode(self, latents_1DT: Tensor) -> Tensor:
        """Latents to samples [1, 1, S]; too many are cut off at the end, and missing ones become silence."""

    @abstractmethod
    def _load(self, device: str) -> Any:
        """The model on a device, for inference."""

    @cached_property
    def _model(self) -> Any:
        import torch

        return self._load("cuda" if torch.cuda.is_available() else "cpu")

    def _tensor(self, values: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(values).to(next(self._model.parameters()).device)
