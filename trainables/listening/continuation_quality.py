"""How good a continuation sounds: whether it says the right thing, and how far it gets in the same time.

Shapes: T reference frames, K continuation frames, C cepstral coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torchaudio.transforms import MFCC

_WINDOW, _HOP = 0.040, 0.020  # seconds
_MELS, _COEFFICIENTS = 40, 12  # the 0th, loudness, is left out


def continuation_quality(
    reference: np.ndarray, continuation: np.ndarray, others: Sequence[np.ndarray], sample_rate: int
) -> float:
    """The quality of a decoded continuation, match times progress: a score from 0 to 1.

    Dynamic time warping on MFCC 1-12 aligns it with the true continuation, from frame 0 and with an open end;
    each of its frames advances the reference by 0, 1 or 2 frames. ``match`` is 1 - cost / (mean cost of the
    same continuation against ``others``), at least 0: how much better it fits the true continuation than
    other utterances. ``progress`` is its pace over that of the reference, at most 1. A slow but correct
    continuation scores above a frozen one and above fluent speech that says something else; networks that
    predict opinion scores rank these otherwise.

    Args:
        reference: the true continuation, [samples].
        continuation: [samples], as long as the reference, or shorter.
        others: true speech of other utterances (five are enough), each at least as long as the reference.
        sample_rate: of all of them, Hz.

    Raises:
        ValueError: there are no others, or audio is shorter than one window of 40 ms.
    """
    if not others:
        raise ValueError("continuation_quality needs other utterances, to know what a chance match costs")
    true, decoded, *rest = [cepstra(audio, sample_rate) for audio in (reference, continuation, *others)]
    cost, covered = open_end_warp(true, decoded)
    chance = float(np.mean([open_end_warp(other, decoded)[0] for other in rest]))
    return max(0.0, 1 - cost / chance) * min(1.0, covered / len(decoded)) if chance > 0 else 0.0


def cepstra(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """MFCC 1-12 [frames, C] of audio [samples]: 40 mel bands, windows of 40 ms every 20 ms, not padded.

    Each coefficient is standardised over the clip, which cancels a codec's colour and noise floor.

    Raises:
        ValueError: the audio is shorter than one window.
    """
    if len(audio) < int(_WINDOW * sample_rate):
        raise ValueError(f"{len(audio)} samples are shorter than one window of {_WINDOW * 1000:.0f} ms")
    with torch.no_grad():
        mfcc = _transform(sample_rate)(torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32)))
    features = mfcc[1:].T.double().numpy()
    return (features - features.mean(0)) / (features.std(0) + 1e-9)


def open_end_warp(reference_TC: np.ndarray, continuation_KC: np.ndarray) -> tuple[float, int]:
    """The cheapest alignment of the whole continuation with the beginning of the reference, from frame 0.

    Returns:
        Its mean Euclidean distance, and the number of reference frames that it covers.
    """
    distances = cdist(continuation_KC, reference_TC)
    total = np.full(len(reference_TC) + 2, np.inf)  # 2 cells of padding: all three steps are slices
    total[2] = distances[0, 0]
    for row in distances[1:]:
        total[2:] = row + np.minimum(np.minimum(total[2:], total[1:-1]), total[:-2])
    covered = len(reference_TC) - int(total[:1:-1].argmin())  # the furthest of equal ones: silence makes ties
    return float(total[covered + 1] / len(distances)), covered


@lru_cache(maxsize=4)
def _transform(sample_rate: int) -> MFCC:
    window, hop = int(_WINDOW * sample_rate), int(_HOP * sample_rate)
    return MFCC(
        sample_rate,
        n_mfcc=_COEFFICIENTS + 1,
        melkwargs={"n_fft": window, "hop_length": hop, "n_mels": _MELS, "center": False},
    )
