"""All that a sweep works with: the cluster, the record in MLflow, the journal, the lanes and the latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from orchestrator.datasets.ray_latents import RayLatents, by_representation
from orchestrator.execution.lane_recorder import LaneRecorder
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.execution.pack_runner import PackRunner
from orchestrator.execution.progress import Progress
from orchestrator.inspection.suite import ArmsByDataset
from orchestrator.lifecycle.provenance import run_tags
from orchestrator.lifecycle.sweep_request import SweepRequest
from orchestrator.planning.plan import Plan
from orchestrator.records.code_versions import code_version
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import Cluster
from search_spaces.study import Study
from trainables.latents.storage.dataset import SPLITS


@dataclass(frozen=True, kw_only=True)
class SweepTools:
    """All that the steps of one sweep share."""

    request: SweepRequest
    plan: Plan
    cluster: Cluster
    progress: Progress
    tracker: Tracker
    journal: Journal
    lane_store: LaneStore
    recorder: LaneRecorder
    # By representation; "" is the first.
    latents: dict[str, RayLatents]
    packs: PackRunner
    # Seconds since 1970.
    started: float

    @classmethod
    def opened(
        cls,
        request: SweepRequest,
        plan: Plan,
        cluster: Cluster,
        progress: Progress,
        tracker: Tracker,
        started: float,
    ) -> Self:
        """Open all of them; from the first moment on the sweep has a run in MLflow, that of ``tracker``."""
        journal = Journal(request.folder)
        _track(request, plan, tracker, journal)
        lane_store = LaneStore(request.folder.parent / LANES_FOLDER)
        recorder = LaneRecorder(
            plan=plan,
            journal=journal,
            archive=lane_store,
            tracker=tracker,
            progress=progress,
            latents=request.latents,
            code=code_version(),
        )
        recorder.retrack()
        latents = by_representation(request.latents, SPLITS)
        packs = PackRunner(
            cluster=cluster,
            workers=plan.workers,
            latents=latents,
            depot=CheckpointStore(request.folder),
            folder=request.folder,
            recorder=recorder,
            progress=progress,
            objective=plan.study.objective,
        )
        return cls(
            request=request,
            plan=plan,
            cluster=cluster,
            progress=progress,
            tracker=tracker,
            journal=journal,
            lane_store=lane_store,
            recorder=recorder,
            latents=latents,
            packs=packs,
            started=started,
        )

    @property
    def study(self) -> Study:
        """The study with the budgets of this run."""
        return self.plan.study

    def arms_by_dataset(self, evidence: Evidence) -> list[ArmsByDataset]:
        """Every dataset with the arms that run on it."""
        datasets = self.request.latents
        return [
            ArmsByDataset(
                dataset,
                self.latents[dataset.meta.representation],
                {
                    name: arm
                    for name, arm in evidence.arms.items()
                    if datasets.of(arm.config.structure.representation) is dataset
                },
            )
            for dataset in datasets
        ]


def _track(request: SweepRequest, plan: Plan, tracker: Tracker, journal: Journal) -> None:
    """Open the sweep's MLflow run; a resumed sweep goes on in its own."""
    earlier = [event["run_id"] for event in journal.events("tracked")]
    parameters = {**plan.arguments(), "lanes": plan.lanes, "latents": request.latents.where}
    tags = run_tags(plan, request.latents, request.folder)
    run_id = tracker.start(plan.study, tags, parameters, earlier[-1] if earlier else None)
    if [run_id] != earlier[-1:]:
        journal.append("tracked", run_id=run_id)
