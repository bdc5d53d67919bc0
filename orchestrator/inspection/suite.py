"""All inspections of a run: diagnoses, frame densities of rollouts, and profiles of mixture components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.progress import Progress
from orchestrator.inspection.archetype_exemplars import decode_archetypes
from orchestrator.inspection.diagnosis import DIAGNOSIS_FOLDER, cached_diagnosis
from orchestrator.inspection.frame_density import densities
from orchestrator.inspection.mixture_components import mixture_components
from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.lost_ray import RayLostError
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
    """Diagnose all representations, and inspect the arms on each; an inspection that fails is reported.

    The results are added to ``evidence``; a failed inspection is left out of it, and never ends the run.
    """
    folder = archive.folder.parent / DIAGNOSIS_FOLDER
    for part in parts:
        failed = f"{part.dataset.root} is not diagnosed"
        diagnosis = _or_skip(
            failed, partial(cached_diagnosis, part.dataset, folder, cluster, progress.say), progress
        )
        evidence.diagnoses += [diagnosis] if diagnosis else []
    for part in parts:
        failed = f"the archetypes of {part.dataset.meta.representation} cannot be heard"
        own = replace(evidence, arms=part.arms)
        _or_skip(failed, partial(decode_archetypes, own, part.dataset, part.latents, progress), progress)
        arms = {name: arm for name, arm in part.arms.items() if arm.config.trainable.forecasts}
        if not arms:
            continue
        name = part.dataset.meta.representation
        arguments = (replace(evidence, arms=arms), part.dataset, part.latents, archive, progress)
        for title, results, inspect in (
            ("densities", evidence.densities, densities),
            ("components", evidence.components, mixture_components),
        ):
            failed = f"the {title} of {name} are left out"
            results[name] = _or_skip(failed, partial(inspect, *arguments), progress) or {}


def _or_skip(
    failed: str, inspect: Callable[[], dict[str, Any] | None], progress: Progress
) -> dict[str, Any] | None:
    """The result of an inspection; None, with a line that says why, where it fails: no verdict needs it."""
    try:
        return inspect()
    except RayLostError:  # nothing that comes after it would end
        raise
    except Exception as error:
        reason = str(getattr(error, "cause", error)).strip().splitlines() or [type(error).__name__]
        progress.say(f"{failed}: {reason[-1]}")
        return None
