"""The life of a sweep: plan, assay, explore, seal, confirm, judge, take the winner apart, report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator import costs
from orchestrator.ablation import ablation_packs, gather
from orchestrator.archive import FOLDER, Archive
from orchestrator.assay import assay_study, assays
from orchestrator.closer import Part, look_closer
from orchestrator.cluster import Cluster, connected
from orchestrator.collection import Collection, open_collection
from orchestrator.data import shelved
from orchestrator.depot import Depot
from orchestrator.design import design_of
from orchestrator.evidence import Assay, Evidence
from orchestrator.exhibits import baselines, listen
from orchestrator.journal import RESUME, Journal, code_version, git_commit
from orchestrator.phases import Phases
from orchestrator.plan import Plan, make_plan, with_devices
from orchestrator.progress import Progress, duration
from orchestrator.provenance import describe_data, describe_run, earlier_looks
from orchestrator.record import Recorder, winner
from orchestrator.reporting.page import write_report
from orchestrator.sealing import breaches, make_seal, seal_hash, study_changes, write_seal
from orchestrator.search import ArmSearch
from orchestrator.statistics.looks import shares
from orchestrator.statistics.verdict import Judgement, Verdict, judge
from orchestrator.tracking import Tracker
from search_spaces.study import criteria_hash
from trainables.latents.store import SPLITS
from trainables.predictor.config import NULLS

Winners = Mapping[str, Mapping[str, Any] | None]  # by arm; None where every lane diverged


@dataclass(frozen=True)
class Order:
    """What the user has asked for, checked."""

    plan: Plan
    latents: Collection
    folder: Path  # of this run
    address: str | None  # of a Ray cluster; None starts a private one
    command: str
    resumed: bool = False
    price: float | None = None  # of one device for an hour
    look_closer: bool = True  # at frames and components, which decides nothing
    quiet: bool = False  # an assay, of which one line is enough


def run_sweep(order: Order, progress: Progress) -> Judgement:
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


def _run(order: Order, cluster: Cluster, progress: Progress) -> Judgement:
    sweep = _Sweep(order, cluster, progress)
    try:
        return sweep.run()
    except KeyboardInterrupt:
        sweep.tracker.fail(f"stopped by its user; {RESUME}", interrupted=True)
        raise
    except BaseException as error:
        sweep.tracker.fail(f"{type(error).__name__}: {error}")
        raise


class _Sweep:
    def __init__(self, order: Order, cluster: Cluster, progress: Progress) -> None:
        self.order, self.cluster, self.progress = order, cluster, progress
        self.started = time.time()
        self.journal = Journal(order.folder)
        self.journal.append("opened")
        self.plan = self._planned()
        self.study = self.plan.study
        self.tracker = self._tracked()
        self.archive = Archive(order.folder.parent / FOLDER)
        self.recorder = Recorder(
            self.plan, self.journal, self.archive, self.tracker, progress, order.latents, code_version(),
        )  # fmt: skip
        self.recorder.retrack()
        self.latents = shelved(order.latents, SPLITS)
        self.phases = Phases(
            cluster, self.plan.workers, self.latents, Depot(order.folder), order.folder, self.recorder,
            progress, self.study.objective,
        )  # fmt: skip

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
                self.phases.known("confirm", packs)
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
        if judgement.verdict is not Verdict.INADMISSIBLE and self.order.look_closer:
            evidence.write(self.order.folder / "evidence.json")  # what follows may not cost what was measured
            look_closer(evidence, self._parts(evidence), self.archive, self.cluster, self.progress)
        self._account(evidence)
        return judgement

    def _planned(self) -> Plan:
        """The plan as this run began it: how many packs fly at once decides what the search learns from."""
        plan = with_devices(self.order.plan, self.cluster.devices // self.order.plan.workers)
        planned = self.journal.events("planned")
        if planned:
            return replace(plan, generation=planned[0]["generation"])
        self.journal.append(
            "planned", arguments=self.order.plan.arguments(), data_hash=self.order.latents.content_hash,
            data=self.order.latents.where, code=code_version(), generation=plan.generation,
        )  # fmt: skip
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
            look_closer=False,
        )
        judgement = _run(order, self.cluster, self.progress)
        self.progress.say(f"assay: {world} is read as {judgement.verdict}")

    def _sealed(self, checked: list[Assay]) -> dict[str, Mapping[str, Any] | None]:
        """The winners: those that were sealed, else those that exploration finds; none where the instrument
        is out of order.
        """
        if any(not assay.passed for assay in checked):
            return {}
        for event in self.journal.events("sealed"):
            return {name: arm["settings"] for name, arm in event["seal"]["arms"].items()}
        searched = [arm for arm in self.study.arms if self.plan.settled(arm) is None]
        sources = {arm.name: ArmSearch(self.plan, arm, self.recorder.known) for arm in searched}
        self.phases.searched("explore", dict.fromkeys(sources, self.plan.packs), list(sources.values()))
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
            listen(evidence, own, part.dataset, part.latents, self.archive, self.progress)

    def _parts(self, evidence: Evidence) -> list[Part]:
        """Each representation with the arms that run on it."""
        found = self.order.latents
        return [
            Part(
                dataset,
                self.latents[dataset.meta.representation],
                {name: arm for name, arm in evidence.arms.items() if found.of(arm.config) is dataset},
            )
            for dataset in found
        ]

    def _ablate(self, evidence: Evidence) -> None:
        config = evidence.arms[self.study.primary.arm].config
        self.phases.known("ablate", {self.study.primary.arm: ablation_packs(self.plan, config)})
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
