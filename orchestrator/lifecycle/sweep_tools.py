"""All that a sweep works with: the cluster, the record in MLflow, the journal, the lanes and the latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from orchestrator.datasets.description import describe_data
from orchestrator.datasets.ray_latents import RayLatents, by_representation
from orchestrator.execution.lane_recorder import LaneRecorder
from orchestrator.execution.mlflow_tracking import NOTE
from orchestrator.execution.pack_runner import PackRunner
from orchestrator.execution.progress import Progress
from orchestrator.execution.recording import SweepRecording
from orchestrator.execution.run_mirror import DESCRIBED
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
from trainables.lane_config import trainable, trainables
from trainables.latents.storage.dataset import SPLITS


@dataclass(frozen=True, kw_only=True)
class SweepTools:
    """All that the steps of one sweep share."""

    request: SweepRequest
    plan: Plan
    cluster: Cluster
    progress: Progress
    recording: SweepRecording
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
        recording: SweepRecording,
        started: float,
    ) -> Self:
        """Open all of them; from the first moment on ``recording`` knows what the sweep is called."""
        journal = Journal(request.folder)
        _describe(request, plan, journal)
        recording.changed()
        lane_store = LaneStore(request.folder.parent / LANES_FOLDER)
        recorder = LaneRecorder(
            plan=plan,
            journal=journal,
            archive=lane_store,
            changed=recording.changed,
            progress=progress,
            latents=request.latents,
            code=code_version(*(name for name in plan.study.trainables if name in trainables())),
        )
        latents = by_representation(request.latents, SPLITS)
        if any(trainable(name).uses_tracks for name in plan.study.trainables):
            for dataset in request.latents:
                latents[dataset.meta.representation].read_tracks(dataset, *SPLITS)
        packs = PackRunner(
            cluster=cluster,
            workers=plan.workers,
            latents=latents,
            depot=CheckpointStore(request.folder),
            folder=request.folder,
            recorder=recorder,
            progress=progress,
            objective=plan.study.objective,
            thorough=not request.quiet,
        )
        return cls(
            request=request,
            plan=plan,
            cluster=cluster,
            progress=progress,
            recording=recording,
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


def _describe(request: SweepRequest, plan: Plan, journal: Journal) -> None:
    """Write down what the sweep is called, by which MLflow knows it from its beginning to its verdict."""
    study = plan.study
    prior = f"(prior {study.prior.probability:.2f})"
    note = f"# running\n\n{study.title}\n\n**Hypothesis** {prior}: {study.hypothesis}\n"
    journal.append(
        DESCRIBED,
        name=study.name,
        tags={NOTE: note, **run_tags(plan, request.latents, request.folder)},
        parameters={**plan.arguments(), "lanes": plan.lanes, "latents": request.latents.where},
        datasets=[
            {name: value for name, value in describe_data(dataset).items() if name != "world"}
            for dataset in request.latents
        ],
        hands_on=not request.quiet,  # nobody asks for the predictors of a control world that is an assay
    )
