"""The description of a dataset in the evidence of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trainables.latents.storage.dataset import SPLITS, LatentDataset


def describe_data(dataset: LatentDataset) -> dict[str, Any]:
    """The description of a dataset as plain data: path, hash, metadata, and counts per split."""
    meta = asdict(dataset.meta)
    return {
        "path": str(dataset.root),
        "hash": dataset.content_hash,
        "rms": dataset.rms,
        **meta,
        "speakers": {split: len(dataset.speakers(split)) for split in SPLITS},
        "utterances": {split: len(dataset.utterances(split)) for split in SPLITS},
        "frames": {split: dataset.frames(split) for split in SPLITS},
    }
