"""Rules that learn nothing, scored on the test speakers beside every arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from trainables.predictor.config import Structure, split_config
from trainables.predictor.evaluation.evaluate import baseline_scores


def baselines(latents: RayLatents, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Test scores of "mean" and "persistence", as JSON."""
    for split in ("train", "test"):
        latents.read(split)
    structure, _ = split_config(config)
    return ray.get(ray.remote(_baselines).remote(latents.only("train", "test"), structure))


def _baselines(latents: RayLatents, structure: Structure) -> dict[str, dict[str, Any]]:
    train, test = (feed(latents, split, ("real",), "cpu", torch.float32) for split in ("train", "test"))
    scores = baseline_scores(test, train.shard(0).moments, structure.context, structure.horizon)
    return {name: own.to_json() for name, own in scores.items()}
