"""How natural speech sounds to a network that was taught the opinions of listeners."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache

import numpy as np
import torch

from trainables.latents.speech.resampling import resample

_RATE, _MOST_SECONDS = 16000, 7.68  # of what the network hears at once


def opinion_score(sound: np.ndarray, sample_rate: int) -> float:
    """The opinion score of DistillMOS, 1 to 5, of a sound [samples] of at most 7.68 s; needs its package.

    It hears fluency, and not what is said: another speaker's speech scores as the true one does.

    B. Stahl, H. Gamper, "Distillation and pruning for scalable self-supervised representation-based speech
    quality assessment", 2025.

    Raises:
        ValueError: the sound is longer.
    """
    if len(sound) > _MOST_SECONDS * sample_rate:
        raise ValueError(f"{len(sound)} samples are more than {_MOST_SECONDS} s; score it in parts")
    heard = resample(np.ascontiguousarray(sound, np.float32), sample_rate, _RATE)
    with torch.no_grad():
        return float(_network()(torch.from_numpy(heard)[None]))


@lru_cache(maxsize=1)
def _network() -> torch.nn.Module:
    from distillmos import ConvTransformerSQAModel

    with contextlib.redirect_stdout(io.StringIO()):  # it says where its weights are
        return ConvTransformerSQAModel().eval()
