"""Baselines that learn nothing, scored on the test speakers beside every arm."""

from __future__ import annotations

from typing import Any

import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import Split
from trainables.predictor.config import LaneConfig, Structure
from trainables.predictor.evaluation.evaluate import baseline_scores

_SPLITS = (Split.TRAIN, Split.TEST)


def baselines(latents: RayLatents, config: LaneConfig) -> dict[str, dict[str, Any]]:
    """Test scores of the baselines "mean" and "persistence", as plain data."""
    for split in _SPLITS:
        latents.read(split)
    return ray.get(ray.remote(_baselines).remote(latents.only(*_SPLITS), config.structure))


def _baselines(latents: RayLatents, structure: Structure) -> dict[str, dict[str, Any]]:
    train, test = (feed(latents, split, (Surrogate.REAL,), "cpu", torch.float32) for split in _SPLITS)
    scores = baseline_scores(test, train.shard(0).moments, structure.context, structure.horizon)
    return {name: of_baseline.to_json() for name, of_baseline in scores.items()}
