"""Whether the roadmap lets a study run on some latents, asked for a sweep of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.roadmap.gates import StepState
from orchestrator.roadmap.runner import RoadmapRequest, RoadmapRunner
from search_spaces.roadmap import OPEN, ROADMAP


def closed_gate(study: str, latents: Sequence[str], out: Path) -> str:
    """Why the gate of a study is not open by the verdicts in ``out`` on these latents, in words.

    Empty where it is open, and for studies that nothing has to precede or that are not on the roadmap.

    Raises:
        InputError: the roadmap's log in ``out`` or the latents cannot be read.
    """
    step = next((step for step in ROADMAP.steps if step.study == study), None)
    if step is None or set(OPEN) & set(step.gate):
        return ""
    request = RoadmapRequest(latents=latents[0], others=tuple(latents[1:]), out=out)
    status = RoadmapRunner(request).standing().outlook.status(study)
    return status.reason if status.state in (StepState.HELD, StepState.SKIPPED) else ""
