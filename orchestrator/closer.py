"""What no criterion asks for: what frames are like, whether rollouts stay among them, what components sound
like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.archive import Archive
from orchestrator.cluster import Cluster
from orchestrator.components import components
from orchestrator.data import Latents
from orchestrator.density import densities
from orchestrator.diagnosis import FOLDER, diagnosed
from orchestrator.evidence import ArmEvidence, Evidence
from orchestrator.progress import Progress
from trainables.latents.store import LatentDataset


@dataclass(frozen=True)
class Part:
    """One representation of a sweep, and the arms that run on it."""

    dataset: LatentDataset
    latents: Latents
    arms: dict[str, ArmEvidence]


def look_closer(
    evidence: Evidence, parts: Sequence[Part], archive: Archive, cluster: Cluster, progress: Progress
) -> None:
    """Diagnose all representations, and look at those that an arm runs on; what cannot be done is said, and
    left out.
    """
    kept = archive.folder.parent / FOLDER
    for part in parts:
        failed = f"{part.dataset.root} is not diagnosed"
        found = _tried(failed, partial(diagnosed, part.dataset, kept, cluster, progress.say), progress)
        evidence.diagnoses += [found] if found else []
    for part in (part for part in parts if part.arms):
        name = part.dataset.meta.representation
        asked = (replace(evidence, arms=part.arms), part.dataset, part.latents, archive, progress)
        for where, what in ((evidence.densities, densities), (evidence.components, components)):
            failed = f"the {what.__name__} of {name} are left out"
            where[name] = _tried(failed, partial(what, *asked), progress) or {}


def _tried(failed: str, what: Callable[[], dict[str, Any]], progress: Progress) -> dict[str, Any] | None:
    """What decides nothing may fail, too, and says so."""
    try:
        return what()
    except Exception as error:
        reason = str(getattr(error, "cause", error)).strip().splitlines() or [type(error).__name__]
        progress.say(f"{failed}: {reason[-1]}")
        return None
