"""The life of a sweep: plan, assay, explore, seal, confirm, judge, take the winner apart, report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection, open_collection
from orchestrator.datasets.description import describe_data
from orchestrator.datasets.ray_latents import by_representation
from orchestrator.execution.lane_recorder import LaneRecorder, winner
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.execution.pack_runner import PackRunner
from orchestrator.execution.progress import Progress
from orchestrator.execution.search import ArmSearch
from orchestrator.inspection.listening import score_continuations
from orchestrator.inspection.suite import ArmsByDataset, run_inspections
from orchestrator.inspection.trivial_baselines import baselines
from orchestrator.judging.verdict import Judgement, Verdict, judge
from orchestrator.lifecycle.assay import assay_study, assays
from orchestrator.lifecycle.provenance import describe_run
from orchestrator.lifecycle.sealing import make_seal
from orchestrator.planning import costs
from orchestrator.planning.ablations import ablation_packs
from orchestrator.planning.design import Design, design_of
from orchestrator.planning.plan import Plan, make_plan, with_devices
from orchestrator.records.ablation_evidence import gather
from orchestrator.records.code_versions import code_version, git_commit
from orchestrator.records.evidence import Assay, Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.records.phase import Phase
from orchestrator.records.run_folders import earlier_looks
from orchestrator.records.seal import breaches, seal_hash, study_changes, write_seal
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.durations import duration
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.statistics.alpha_spending import replicates_per_look
from search_spaces.study import criteria_hash
from trainables.latents.batching.surrogates import NULLS
from trainables.latents.storage.dataset import SPLITS
from trainables.predictor.config import LaneConfig

Winners = Mapping[str, LaneConfig | None]  # by arm; None where every lane diverged


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """A sweep as the user asked for it, checked."""

    plan: Plan
    latents: LatentCollection
    folder: Path  # of this run
    address: str | None  # of a Ray cluster; None starts a private one
    command: str
    resumed: bool = False
    price: float | None = None  # of one device for an hour
    inspect: bool = True  # at frames and components, which decides nothing
    quiet: bool = False  # an assay, of which one line is enough
    design: Design | None = None  # what the plan can detect, where that has been worked out already


def run_sweep(order: SweepRequest, progress: Progress) -> Judgement:
    """Run a sweep to its verdict; all of its records then lie in ``order.folder``.

    Raises:
        InputError: another process is at work in that folder, or something that the user named is wrong.
    """
    with ExitStack() as stack:
        stack.enter_context(Journal(order.folder).held())
        progress.say(f"{order.plan.study.title}\nrun folder {order.folder}; starting Ray")
        cluster = stack.enter_context(connected(order.address, state_api=order.plan.workers > 1))
        stack.callback(progress.end)
        return run_on_cluster(order, cluster, progress)


def run_on_cluster(order: SweepRequest, cluster: Cluster, progress: Progress) -> Judgement:
    """Run a sweep to its verdict where Ray is connected and the run folder is held."""
    started = time.time()
    plan = _planned(order, cluster)
    with Tracker() as tracker:  # closes the MLflow run, whatever happens from here on
        return SweepRun(order, plan, cluster, progress, tracker, started).run()


def _planned(order: SweepRequest, cluster: Cluster) -> Plan:
    """The plan as this run began it: how many packs fly at once decides what the search learns from."""
    journal = Journal(order.folder)
    journal.append("opened")
    plan = with_devices(order.plan, cluster.devices // order.plan.workers)
    planned = journal.events("planned")
    if planned:
        return replace(plan, generation=planned[0]["generation"])
    journal.append(
        "planned",
        arguments=order.plan.arguments(),
        data_hash=order.latents.content_hash,
        data=order.latents.where,
        code=code_version(),
        generation=plan.generation,
    )
    return plan


class SweepRun:
    """A sweep with all that it works with, recorded in MLflow from the moment that it is made."""

    def __init__(
        self,
        order: SweepRequest,
        plan: Plan,
        cluster: Cluster,
        progress: Progress,
        tracker: Tracker,
        started: float,
    ) -> None:
        self.order, self.plan, self.cluster, self.progress = order, plan, cluster, progress
        self.tracker, self.started = tracker, started
        self.journal = Journal(order.folder)
        self.study = plan.study
        self._track()
        self.archive = LaneStore(order.folder.parent / LANES_FOLDER)
        self.recorder = LaneRecorder(
            plan=self.plan,
            journal=self.journal,
            archive=self.archive,
            tracker=self.tracker,
            progress=progress,
            latents=order.latents,
            code=code_version(),
        )
        self.recorder.retrack()
        self.latents = by_representation(order.latents, SPLITS)
        self.phases = PackRunner(
            cluster=cluster,
            workers=self.plan.workers,
            latents=self.latents,
            depot=CheckpointStore(order.folder),
            folder=order.folder,
            recorder=self.recorder,
            progress=progress,
            objective=self.study.objective,
        )

    def run(self) -> Judgement:
        """Go from the announcement to the verdict, and publish it."""
        planned = self._announce()
        checked = assays(self.study, self.order.folder.parent, self.plan.workers, self._assay)
        data, *others = map(describe_data, self.order.latents)
        evidence = Evidence(self.study.name, {}, data, {}, {}, assays=checked, other_data=others)
        evidence.cost["planned"] = planned
        judgement = self._confirm(evidence, self._winners(checked))
        if judgement.verdict is not Verdict.INADMISSIBLE:
            self._look_closer(evidence)
        self._account(evidence)
        evidence.write(self.order.folder / "evidence.json")
        self._publish(evidence, judgement)
        return judgement

    def _confirm(self, evidence: Evidence, winners: Winners) -> Judgement:
        """Seal, then train and judge look by look until one decides; where a seal is broken, only judge."""
        if winners:
            evidence.seal, evidence.broken = self._seal(winners)
        intact = bool(winners) and not evidence.broken and not study_changes(evidence.seal, self.study)
        sound = {arm: config for arm, config in winners.items() if config is not None}
        for look, replicates in enumerate(
            replicates_per_look(self.plan.replicates, self.study.budget.looks), 1
        ):
            evidence.look = look
            if intact:
                packs = {arm: [self.plan.confirmation(arm, sound[arm], replicates)] for arm in sound}
                self.phases.run_fixed(Phase.CONFIRM, packs)
            judgement = self._judge(evidence, sound, replicates, listen=intact)
            if not intact or judgement.verdict in (Verdict.GO, Verdict.NO_GO):
                break
        return judgement

    def _judge(
        self, evidence: Evidence, sound: Mapping[str, LaneConfig], replicates: int, listen: bool
    ) -> Judgement:
        """The verdict on the first so many replicates of each arm."""
        seeds = self.plan.confirm_seeds()[:replicates]
        evidence.arms = {arm: self.recorder.arm_evidence(arm, sound[arm], seeds) for arm in sound}
        if listen and any(arm.replicates for arm in evidence.arms.values()):
            self._listen(evidence)
        evidence.provenance = self._provenance()
        return judge(self.study, evidence)

    def _look_closer(self, evidence: Evidence) -> None:
        """Do what decides nothing: take the winner apart, then inspect frames and components."""
        if self.plan.ablate and self.study.components:
            self._ablate(evidence)
        if self.order.inspect:
            evidence.write(self.order.folder / "evidence.json")  # what follows may not cost what was measured
            run_inspections(evidence, self._parts(evidence), self.archive, self.cluster, self.progress)

    def _track(self) -> None:
        """Open the sweep's MLflow run; a resumed sweep goes on in its own."""
        earlier = [event["run_id"] for event in self.journal.events("tracked")]
        parameters = {
            **self.plan.arguments(),
            "lanes": self.plan.lanes,
            "latents": self.order.latents.where,
        }
        run_id = self.tracker.start(self.study, self._tags(), parameters, earlier[-1] if earlier else None)
        if [run_id] != earlier[-1:]:
            self.journal.append("tracked", run_id=run_id)

    def _announce(self) -> dict[str, Any]:
        """Print the plan before it costs anything, and return the expected cost for the record."""
        if self.order.quiet:
            return {}
        latents, plan = self.order.latents, self.plan
        speakers = ", ".join(f"{len(latents.first.speakers(split))} {split}" for split in SPLITS)
        self.progress.say(
            f"{self.cluster}; {', '.join(latents.representations)} latents of {speakers} speakers; per arm "
            f"{plan.trials} configurations in packs of {plan.lanes}, then {plan.replicates} replicates and "
            f"{len(NULLS)} nulls"
        )
        if plan.smoke or self.journal.events("sealed"):
            return {}
        design = self.order.design or design_of(plan, latents, self.order.folder.parent)
        self.progress.say(design.text())
        expected = costs.estimate(plan, latents, self.cluster, self.order.price)
        self.progress.say(expected.text())
        return expected.to_json()

    def _assay(self, world: str, folder: Path) -> None:
        """Run a control world through this very code."""
        self.progress.say(f"assay: the control world {world} through this code")
        plan = make_plan(assay_study(), workers=self.plan.workers)
        order = replace(
            self.order,
            plan=plan,
            latents=open_collection([f"control:{world}"]),
            folder=folder,
            quiet=True,
            inspect=False,
            design=None,
        )
        judgement = run_on_cluster(order, self.cluster, self.progress)
        self.progress.say(f"assay: {world} is read as {judgement.verdict}")

    def _winners(self, checked: list[Assay]) -> dict[str, LaneConfig | None]:
        """The winners: the sealed ones, else those that exploration finds; none where a control world was
        misread.
        """
        if any(not assay.passed for assay in checked):
            return {}
        for event in self.journal.events("sealed"):
            return {
                name: None if arm["settings"] is None else LaneConfig.of(arm["settings"])
                for name, arm in event["seal"]["arms"].items()
            }
        searched = [arm for arm in self.study.arms if self.plan.settled(arm) is None]
        sources = {arm.name: ArmSearch(self.plan, arm, self.recorder.known) for arm in searched}
        self.phases.run_search(Phase.EXPLORE, dict.fromkeys(sources, self.plan.packs), list(sources.values()))
        return {
            arm.name: self.plan.settled(arm) or winner(self.recorder.explored(arm.name))
            for arm in self.study.arms
        }

    def _seal(self, winners: Winners) -> tuple[dict[str, Any], list[str]]:
        """The seal and its breaches. It is written before anything looks at the test speakers; the first seal
        of a run counts.
        """
        now = make_seal(self.plan, self.order.latents, winners, code_version())
        sealed = [event["seal"] for event in self.journal.events("sealed")]
        if not sealed:
            write_seal(self.order.folder, now)
            self.journal.append("sealed", seal_hash=seal_hash(now), seal=now)
        seal = sealed[0] if sealed else now
        self.tracker.tag({"seal": seal_hash(seal)})
        return seal, breaches(seal, self.order.folder, now)

    def _listen(self, evidence: Evidence) -> None:
        self.progress.say("baselines and listening")
        evidence.exhibits.clear()
        if not self.study.compares:  # rules that learn nothing differ from representation to representation
            evidence.baselines = baselines(self.latents[""], next(iter(evidence.arms.values())).config)
        for part in self._parts(evidence):
            arms = list(part.arms.values())
            score_continuations(evidence, arms, part.dataset, part.latents, self.archive, self.progress)

    def _parts(self, evidence: Evidence) -> list[ArmsByDataset]:
        """Every representation with the arms that run on it."""
        latents = self.order.latents
        return [
            ArmsByDataset(
                dataset,
                self.latents[dataset.meta.representation],
                {
                    name: arm
                    for name, arm in evidence.arms.items()
                    if latents.of(arm.config.structure.representation) is dataset
                },
            )
            for dataset in latents
        ]

    def _ablate(self, evidence: Evidence) -> None:
        arm, seeds = self.study.primary.arm, self.plan.confirm_seeds()
        config = evidence.arms[arm].config
        self.phases.run_fixed(Phase.ABLATE, {arm: ablation_packs(self.plan, config)})
        evidence.ablations = gather(self.study, seeds, config, self.recorder.ablated(arm))

    def _account(self, evidence: Evidence) -> None:
        spent = costs.spent(self.journal.events(), self.plan.workers, self.order.price)
        evidence.cost["spent"] = {**spent, "lanes_reused": self.recorder.reused()}

    def _publish(self, evidence: Evidence, judgement: Judgement) -> None:
        folder = self.order.folder
        report, *others = write_report(folder, self.study, evidence, judgement)
        self.tracker.finish(judgement, others[0].read_text(), [report, *others], self._tags())
        self.journal.append("judged", verdict=str(judgement.verdict))
        if self.order.quiet:
            return
        smoke = " (smoke run: not evidence)" if self.plan.smoke else ""
        self.progress.say(
            f"\n{judgement.verdict}{smoke}: {judgement.reason}\n{judgement.consequence}\n\n"
            f"report  {report}\n{self.tracker.where()}\n"
            f"took {duration(time.time() - self.started)}"
        )

    def _tags(self) -> dict[str, str]:
        return {
            "study": self.study.name,
            "data_hash": self.order.latents.content_hash,
            "representation": ", ".join(self.order.latents.representations),
            "criteria_hash": criteria_hash(self.study),
            "git_commit": git_commit(),
            "code": code_version(),
            "run_folder": str(self.order.folder.resolve()),
            **({"smoke": "true"} if self.plan.smoke else {}),
        }

    def _provenance(self) -> dict[str, Any]:
        order = self.order
        return {
            "command": order.command,
            **describe_run(self.plan, self.cluster),
            "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "resumed": order.resumed,
            "earlier_verdicts": earlier_looks(
                order.folder.parent, order.folder, self.study.name, order.latents.content_hash
            ),
        }
