"""The description of a dataset in the evidence of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypedDict

from trainables.latents.storage.dataset import SPLITS, LatentDataset


class LatentsAnswer(TypedDict):
    """Latents in a folder: what they are, their hash, and how many there are, by split."""

    folder: str
    representation: str
    dimensions: int
    frame_rate: float
    hash: str
    note: str
    speakers: dict[str, int]
    utterances: dict[str, int]
    frames: dict[str, int]


def latents_answer(dataset: LatentDataset) -> LatentsAnswer:
    """The answer of a command that has made latents."""
    meta = dataset.meta
    return {
        "folder": str(dataset.root),
        "representation": meta.representation,
        "dimensions": meta.dim,
        "frame_rate": meta.frame_rate,
        "hash": dataset.content_hash,
        "note": meta.note,
        "speakers": {str(split): len(dataset.speakers(split)) for split in SPLITS},
        "utterances": {str(split): len(dataset.utterances(split)) for split in SPLITS},
        "frames": {str(split): dataset.frames(split) for split in SPLITS},
    }


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
