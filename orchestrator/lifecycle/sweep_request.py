"""A sweep as a user asks for it, and its plan as the run began it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.datasets.collection import LatentCollection
from orchestrator.planning.design import Design
from orchestrator.planning.plan import Plan, with_devices
from orchestrator.records.journal import Journal
from orchestrator.records.study_code import code_of_study
from orchestrator.runtime.ray_cluster import Cluster


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """A sweep as the user asked for it, checked."""

    plan: Plan
    latents: LatentCollection
    # Run folder, which holds all records of the run.
    folder: Path
    # Of a Ray cluster; None starts a private one.
    address: str | None
    # The command line, as it would be typed again.
    command: str
    resumed: bool = False
    # Price of one device for an hour.
    price: float | None = None
    # Whether frames and components are inspected, which decides nothing.
    inspect: bool = True
    # Whether one line on the terminal is enough, as for an assay.
    quiet: bool = False
    # The effects that the plan can detect, where that has been worked out already.
    design: Design | None = None
    # What its gate on the roadmap waited for, where it was run all the same.
    forced: str = ""


def plan_of_run(request: SweepRequest, cluster: Cluster) -> Plan:
    """The plan as this run began it: how many packs fly at once decides what the search learns from."""
    journal = Journal(request.folder)
    journal.append("opened")
    plan = with_devices(request.plan, cluster.devices // request.plan.workers)
    planned = journal.events("planned")
    if planned:
        return replace(plan, generation=planned[0]["generation"])
    journal.append(
        "planned",
        arguments=request.plan.arguments(),
        data_hash=request.latents.content_hash,
        data=request.latents.where,
        code=code_of_study(request.plan.study),
        generation=plan.generation,
        **({"forced": request.forced} if request.forced else {}),
    )
    return plan
