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
from orchestrator.planning.ablations import ablation_packs, gather
from orchestrator.planning.design import design_of
from orchestrator.planning.pack import Phase
from orchestrator.planning.plan import Plan, make_plan, with_devices
from orchestrator.records.code_versions import code_version, git_commit
from orchestrator.records.evidence import Assay, Evidence
from orchestrator.records.journal import RESUME, Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.records.run_folders import earlier_looks
from orchestrator.records.seal import breaches, seal_hash, study_changes, write_seal
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.durations import duration
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.statistics.alpha_spending import shares
from search_spaces.study import criteria_hash
from trainables.latents.batching.surrogates import NULLS
from trainables.latents.storage.dataset import SPLITS
from trainables.predictor.config import LaneConfig

Winners = Mapping[str, LaneConfig | None]  # by arm; None where every lane diverged


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What the user has asked for, checked."""

    plan: Plan
    latents: LatentCollection
    folder: Path  # of this run
    address: str | None  # of a Ray cluster; None starts a private one
    command: str
    resumed: bool = False
    price: float | None = None  # of one device for an hour
    inspect: bool = True  # at frames and components, which decides nothing
    quiet: bool = False  # an assay, of which one line is enough


def run_sweep(order: SweepRequest, progress: Progress) -> Judgement:
    """Run a sweep to its verdict; everything that was decided lies in ``order.folder`` when it returns.

    Raises:
        InputError: another process is at work in that folder, or something that the user named is wrong.
    """
    with ExitStack() as stack:
        stack.enter_context(Journal(order.folder).held())
        progress.say(f"{order.plan.study.title}\nrun folder {order.folder}; starting Ray")
        cluster = stack.enter_context(connected(order.address, state_api=order.plan.workers > 1))
        stack.callback(progress.end)
        return _run(order, cluster, progress)


def _run(order: SweepRequest, cluster: Cluster, progress: Progress) -> Judgement:
    sweep = SweepRun(order, cluster, progress)
    try:
        return sweep.run()
    except KeyboardInterrupt:
        sweep.tracker.fail(f"stopped by its user; {RESUME}", interrupted=True)
        raise
    except BaseException as error:
        sweep.tracker.fail(f"{type(error).__name__}: {error}")
        raise


class SweepRun:
    def __init__(self, order: SweepRequest, cluster: Cluster, progress: Progress) -> None:
        self.order, self.cluster, self.progress = order, cluster, progress
        self.started = time.time()
        self.journal = Journal(order.folder)
        self.journal.append("opened")
        self.plan = self._planned()
        self.study = self.plan.study
        self.tracker = self._tracked()
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
        planned = self._announce()
        checked = assays(self.study, self.order.folder.parent, self.plan.workers, self._assay)
        data, *others = map(describe_data, self.order.latents)
        evidence = Evidence(self.study.name, {}, data, {}, {}, assays=checked, other_data=others)
        evidence.cost["planned"] = planned
        judgement = self._judged(evidence, self._sealed(checked))
        evidence.write(self.order.folder / "evidence.json")
        self._publish(evidence, judgement)
        return judgement

    def _judged(self, evidence: Evidence, winners: Winners) -> Judgement:
        """Confirm look by look and judge, then take the winner apart; only judge where nothing may follow."""
        found = {arm: config for arm, config in winners.items() if config is not None}
        if winners:
            evidence.seal, evidence.broken = self._seal(winners)
        whole = bool(winners) and not evidence.broken and not study_changes(evidence.seal, self.study)
        seeds = self.plan.confirm_seeds()
        looks = shares(self.plan.replicates, self.study.budget.looks)
        for evidence.look, replicates in enumerate(looks, 1):
            if whole:
                packs = {arm: [self.plan.confirmation(arm, found[arm], replicates)] for arm in found}
                self.phases.known(Phase.CONFIRM, packs)
            evidence.arms = {
                arm: self.recorder.arm_evidence(arm, config, seeds[:replicates])
                for arm, config in found.items()
            }
            if whole and any(arm.replicates for arm in evidence.arms.values()):
                self._hear(evidence)
            evidence.provenance = self._provenance()
            judgement = judge(self.study, evidence)
            if not whole or judgement.verdict in (Verdict.GO, Verdict.NO_GO):
                break
        if judgement.verdict is not Verdict.INADMISSIBLE and self.plan.ablate and self.study.components:
            self._ablate(evidence)
        if judgement.verdict is not Verdict.INADMISSIBLE and self.order.inspect:
            evidence.write(self.order.folder / "evidence.json")  # what follows may not cost what was measured
            run_inspections(evidence, self._parts(evidence), self.archive, self.cluster, self.progress)
        self._account(evidence)
        return judgement

    def _planned(self) -> Plan:
        """The plan as this run began it: how many packs fly at once decides what the search learns from."""
        plan = with_devices(self.order.plan, self.cluster.devices // self.order.plan.workers)
        planned = self.journal.events("planned")
        if planned:
            return replace(plan, generation=planned[0]["generation"])
        self.journal.append(
            "planned",
            arguments=self.order.plan.arguments(),
            data_hash=self.order.latents.content_hash,
            data=self.order.latents.where,
            code=code_version(),
            generation=plan.generation,
        )
        return plan

    def _tracked(self) -> Tracker:
        """A resumed sweep goes on in its own MLflow run."""
        earlier = [event["run_id"] for event in self.journal.events("tracked")]
        tracker = Tracker()
        parameters = {
            **self.plan.arguments(),
            "lanes": self.plan.lanes,
            "latents": self.order.latents.where,
        }
        run_id = tracker.start(self.study, self._tags(), parameters, earlier[-1] if earlier else None)
        if [run_id] != earlier[-1:]:
            self.journal.append("tracked", run_id=run_id)
        return tracker

    def _announce(self) -> dict[str, Any]:
        """Say what is planned, before it costs anything; what is planned is kept to be compared with."""
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
        self.progress.say(design_of(plan, latents, self.order.folder.parent).text())
        expected = costs.estimate(plan, latents, self.cluster, self.order.price)
        self.progress.say(expected.text())
        return expected.to_json()

    def _assay(self, world: str, folder: Path) -> None:
        """A control world through this very path."""
        self.progress.say(f"assay: the control world {world} through this code")
        plan = make_plan(assay_study(), workers=self.plan.workers)
        order = replace(
            self.order,
            plan=plan,
            latents=open_collection([f"control:{world}"]),
            folder=folder,
            quiet=True,
            inspect=False,
        )
        judgement = _run(order, self.cluster, self.progress)
        self.progress.say(f"assay: {world} is read as {judgement.verdict}")

    def _sealed(self, checked: list[Assay]) -> dict[str, LaneConfig | None]:
        """The winners: those that were sealed, else those that exploration finds; none where the instrument
        is out of order.
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
        self.phases.searched(Phase.EXPLORE, dict.fromkeys(sources, self.plan.packs), list(sources.values()))
        return {
            arm.name: self.plan.settled(arm) or winner(self.recorder.explored(arm.name))
            for arm in self.study.arms
        }

    def _seal(self, winners: Winners) -> tuple[dict[str, Any], list[str]]:
        """The seal, written before anyone looks at the test speakers (the first one stands), and what of it
        has changed since.
        """
        now = make_seal(self.plan, self.order.latents, winners, code_version())
        sealed = [event["seal"] for event in self.journal.events("sealed")]
        if not sealed:
            write_seal(self.order.folder, now)
            self.journal.append("sealed", seal_hash=seal_hash(now), seal=now)
        seal = sealed[0] if sealed else now
        self.tracker.tag({"seal": seal_hash(seal)})
        return seal, breaches(seal, self.order.folder, now)

    def _hear(self, evidence: Evidence) -> None:
        self.progress.say("baselines and listening")
        evidence.exhibits.clear()
        if not self.study.compares:  # rules that learn nothing differ from representation to representation
            evidence.baselines = baselines(self.latents[""], next(iter(evidence.arms.values())).config)
        for part in self._parts(evidence):
            own = list(part.arms.values())
            score_continuations(evidence, own, part.dataset, part.latents, self.archive, self.progress)

    def _parts(self, evidence: Evidence) -> list[ArmsByDataset]:
        """Each representation with the arms that run on it."""
        found = self.order.latents
        return [
            ArmsByDataset(
                dataset,
                self.latents[dataset.meta.representation],
                {
                    name: arm
                    for name, arm in evidence.arms.items()
                    if found.of(arm.config.structure.representation) is dataset
                },
            )
            for dataset in found
        ]

    def _ablate(self, evidence: Evidence) -> None:
        config = evidence.arms[self.study.primary.arm].config
        self.phases.known(Phase.ABLATE, {self.study.primary.arm: ablation_packs(self.plan, config)})
        evidence.ablations = gather(self.plan, config, self.recorder.ablated(self.study.primary.arm))

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
