"""What archetypes sound like: the most typical steps of the most frequent clusters, decoded."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.progress import Progress
from orchestrator.inspection.exemplars import decode_exemplars
from orchestrator.records.evidence import Evidence
from trainables.latents.storage.dataset import LatentDataset

_KIND = "archetypes"  # the trainable


def decode_archetypes(
    evidence: Evidence, dataset: LatentDataset, latents: RayLatents, progress: Progress
) -> None:
    """Add clips to the exemplars of one replicate of each arm that found archetypes; none without a codec."""
    arms = [arm for arm in evidence.arms.values() if arm.config.kind == _KIND]
    with_exemplars = [next((r for r in arm.replicates if r.details.get("exemplars")), None) for arm in arms]
    examples: list[dict[str, Any]] = [e for r in with_exemplars if r for e in r.details["exemplars"]]
    if examples and dataset.meta.codec is not None:
        progress.say("decoding exemplars of the archetypes")
        decode_exemplars(examples, dataset, latents)
