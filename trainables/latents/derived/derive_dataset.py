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
from trainables.latents.derived.slower_tracks import slower, slower_energy, slower_f0
from trainables.latents.derived.transform import Learn, Transform
from trainables.latents.storage.dataset import LatentDataset, Split, whole_file
from trainables.latents.storage.parquet_file import Utterance, table_utterances


def training_frames(dataset: LatentDataset) -> Iterator[np.ndarray]:
    """Training utterances [T, D] in the codec's units, float64, with the dither that all learning sees."""
    for table in dataset.tables(Split.TRAIN):
        if len(table):
            yield from _dithered(table, dataset.meta.lattice_step).values()


def fit_transform(
    expression: str,
    dataset: LatentDataset,
    settings: BottleneckSettings | None = None,
    learn: Learn | None = None,
) -> Transform:
    """Fit a derivation to the dataset's training speakers.

    Args:
        expression: maps, such as ``pca(32) of stack(4)``.
        dataset: the base; of its other speakers nothing is read, except by ``learn`` to know when to stop.
        settings: those of a beta-vae, where the expression has one.
        learn: trains the beta-vae; without it, one is left as probabilistic PCA.

    Raises:
        InputError: the expression is wrong, or does not suit the dataset.
    """
    meta, content = dataset.meta, dataset.content_hash
    return Transform.fit(expression, meta, content, lambda: training_frames(dataset), settings, learn)


def derived_utterances(file: Path, transform: Transform) -> tuple[list[Utterance], list[str]]:
    """The utterances of one file of the base, derived, and the ids of those with fewer than two frames left.

    Raises:
        InputError: the file is damaged.
    """
    table = whole_file(file)
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


def _dithered(table: pa.Table, lattice_step: float | None) -> dict[str, np.ndarray]:
    shard = Shard.from_tables([table], rms=1.0, lattice_step=lattice_step, dtype=torch.float64)
    frames_ND = shard.frames_SND[0].numpy()
    spans = zip(shard.offsets[:-1], shard.offsets[1:], strict=True)
    return {name: frames_ND[begin:end] for name, (begin, end) in zip(shard.ids, spans, strict=True)}
