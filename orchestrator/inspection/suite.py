"""What no criterion asks for: what frames are like, whether rollouts stay among them, what components sound
like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.progress import Progress
from orchestrator.inspection.diagnosis import DIAGNOSIS_FOLDER, cached_diagnosis
from orchestrator.inspection.frame_density import densities
from orchestrator.inspection.mixture_components import mixture_components
from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.ray_cluster import Cluster
from trainables.latents.storage.dataset import LatentDataset


@dataclass(frozen=True)
class ArmsByDataset:
    """One representation of a sweep, and the arms that run on it."""

    dataset: LatentDataset
    latents: RayLatents
    arms: dict[str, ArmEvidence]


def run_inspections(
    evidence: Evidence,
    parts: Sequence[ArmsByDataset],
    archive: LaneStore,
    cluster: Cluster,
    progress: Progress,
) -> None:
    """Diagnose all representations, and look at those that an arm runs on; what cannot be done is said, and
    left out.
    """
    kept = archive.folder.parent / DIAGNOSIS_FOLDER
    for part in parts:
        failed = f"{part.dataset.root} is not diagnosed"
        found = _or_skip(
            failed, partial(cached_diagnosis, part.dataset, kept, cluster, progress.say), progress
        )
        evidence.diagnoses += [found] if found else []
    for part in (part for part in parts if part.arms):
        name = part.dataset.meta.representation
        asked = (replace(evidence, arms=part.arms), part.dataset, part.latents, archive, progress)
        for title, where, what in (
            ("densities", evidence.densities, densities),
            ("components", evidence.components, mixture_components),
        ):
            failed = f"the {title} of {name} are left out"
            where[name] = _or_skip(failed, partial(what, *asked), progress) or {}


def _or_skip(failed: str, what: Callable[[], dict[str, Any]], progress: Progress) -> dict[str, Any] | None:
    """What decides nothing may fail, too, and says so."""
    try:
        return what()
    except Exception as error:
        reason = str(getattr(error, "cause", error)).strip().splitlines() or [type(error).__name__]
        progress.say(f"{failed}: {reason[-1]}")
        return None
