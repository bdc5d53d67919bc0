"""What codecs that run in torch have in common: a model loaded at first use, on a GPU if there is one.

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
    """A codec around a torch model, which takes care of arrays, tensors and the device.

    Attributes:
        hop: samples of a frame. The others are those of ``Codec``.
    """

    sample_rate: int
    frame_rate: float
    dim: int
    hop: int
    lattice_step = None
    uses_gpu = True

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latents [frames, dim] of audio [samples] at ``sample_rate``; raises as ``Codec.encode``."""
        import torch

        samples = whole_frames(audio, self.hop)
        with torch.inference_mode():
            latents_1DT = self._encode(self._tensor(samples)[None, None])
        return latents_1DT[0].T.contiguous().cpu().numpy()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio [frames * hop] of latents [frames, dim]; raises as ``Codec.decode``."""
        import torch

        frames = sound_latents(latents, self.dim)
        with torch.inference_mode():
            audio = self._decode(self._tensor(frames).T[None])[0, 0].cpu().numpy()
        samples = len(frames) * self.hop
        return np.pad(audio[:samples], (0, max(0, samples - len(audio))))

    @abstractmethod
    def _encode(self, samples_11S: Tensor) -> Tensor:
        """Latents [1, D, T] of samples that fill whole frames."""

    @abstractmethod
    def _decode(self, latents_1DT: Tensor) -> Tensor:
        """Samples [1, 1, S] of latents; extra ones are cut off at the end, missing ones become silence."""

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
