"""A dataset of latents through a fitted derivation: the same utterances, speakers and splits.

Shapes: T frames, D dimensions, N derived frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from trainables.latents.batching.shard import Shard
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.transform import Learn, Transform
from trainables.latents.storage.dataset import LatentDataset, Split, read_table
from trainables.latents.storage.parquet_file import Utterance, table_utterances

_SILENCE = 1e-12  # power, -120 dB


def training_frames(dataset: LatentDataset) -> Iterator[np.ndarray]:
    """Training utterances [T, D] in the codec's units, dithered as wherever they are learnt from."""
    for table in dataset.tables(Split.TRAIN):
        if len(table):
            yield from _dithered(table, dataset.meta.lattice_step).values()


def fit_transform(
    expression: str,
    dataset: LatentDataset,
    settings: BottleneckSettings | None = None,
    learn: Learn | None = None,
) -> Transform:
    """Fit to the dataset's training speakers; no other frame is read, but by ``learn`` to know when to stop.

    Raises:
        InputError: the expression is wrong, or does not suit the dataset.
    """
    meta, content = dataset.meta, dataset.content_hash
    return Transform.fit(expression, meta, content, lambda: training_frames(dataset), settings, learn)


def derived_utterances(file: Path, transform: Transform) -> tuple[list[Utterance], list[str]]:
    """The utterances of one file of the base, derived, and the ids of those that lose all but one frame."""
    table = read_table(file)
    frames = _dithered(table, transform.base.lattice_step)
    made, lost = [], []
    for row in table_utterances(table):
        latents = transform.forward(frames[row.utterance_id])
        if len(latents) < 2:
            lost.append(row.utterance_id)
            continue
        made.append(
            Utterance(
                row.utterance_id,
                row.speaker_id,
                row.split,
                latents,
                energy=slower_energy(row.energy, transform.rate),
                f0=slower_f0(row.f0, transform.rate),
                spectral_flux=slower(row.spectral_flux, transform.rate),
            )
        )
    return made, lost


def slower(track_T: np.ndarray, rate: int) -> np.ndarray:
    """The mean of each ``rate`` values that are known, [T // rate]; NaN where none is."""
    groups = np.asarray(track_T, np.float64)[: len(track_T) // rate * rate].reshape(-1, rate)
    known = np.isfinite(groups)
    count = known.sum(1)
    total = np.where(known, groups, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def slower_energy(level_T: np.ndarray, rate: int) -> np.ndarray:
    """Levels in dB, averaged as powers: the level of the longer frame's own samples."""
    power = slower(10 ** (np.asarray(level_T, np.float64) / 10), rate)
    return 10 * np.log10(np.maximum(power, _SILENCE))


def slower_f0(pitch_T: np.ndarray, rate: int) -> np.ndarray:
    """Pitch in Hz, averaged over voiced frames; 0 where none is voiced, NaN where nothing is known."""
    pitch = np.asarray(pitch_T, np.float64)
    voiced = slower(np.where(pitch > 0, pitch, np.nan), rate)
    return np.where(np.isfinite(voiced), voiced, np.where(np.isnan(slower(pitch, rate)), np.nan, 0.0))


def _dithered(table: pa.Table, lattice_step: float | None) -> dict[str, np.ndarray]:
    shard = Shard.from_tables([table], rms=1.0, lattice_step=lattice_step, dtype=torch.float64)
    frames_ND = shard.frames_SND[0].numpy()
    spans = zip(shard.offsets[:-1], shard.offsets[1:], strict=True)
    return {name: frames_ND[begin:end] for name, (begin, end) in zip(shard.ids, spans, strict=True)}
