"""The life of a sweep: explore, confirm, listen, judge, report."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.cluster import Cluster, connected
from orchestrator.data import Latents
from orchestrator.depot import Depot
from orchestrator.evidence import Evidence
from orchestrator.exhibits import baselines, listen
from orchestrator.journal import RESUME, Journal, code_version, git_commit
from orchestrator.plan import Plan, with_devices
from orchestrator.progress import Progress, duration
from orchestrator.record import Recorder, winner
from orchestrator.reporting.page import write_report
from orchestrator.reporting.summary import markdown
from orchestrator.search import ArmSearch, FixedPacks, PackSearcher, PackSource
from orchestrator.statistics.verdict import Judgement, judge
from orchestrator.tracking import Tracker
from orchestrator.tuning import Task, pack_resources, run_pack, run_packs
from search_spaces.study import criteria_hash
from trainables.latents.store import SPLITS, LatentDataset

_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "pyarrow")


@dataclass(frozen=True)
class Order:
    """What the user has asked for, checked."""

    plan: Plan
    dataset: LatentDataset
    folder: Path  # of this run
    address: str | None  # of a Ray cluster; None starts a private one
    command: str
    resumed: bool = False


def run_sweep(order: Order, progress: Progress) -> Judgement:
    """Run a sweep to its verdict; everything that was decided lies in ``order.folder`` when it returns."""
    with ExitStack() as stack:
        progress.say(f"{order.plan.study.title}\nrun folder {order.folder}; starting Ray")
        cluster = stack.enter_context(connected(order.address, state_api=order.plan.workers > 1))
        stack.callback(progress.end)
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
        self.plan = self._planned()
        self.study = self.plan.study
        self.tracker = self._tracked()
        self.recorder = Recorder(
            self.plan, self.journal, self.tracker, progress, order.dataset.content_hash, code_version()
        )
        self.recorder.retrack()
        self.latents = Latents.of(order.dataset, SPLITS)
        self.depot = Depot(order.folder)

    def run(self) -> Judgement:
        self.progress.say(f"{self.cluster}; {self._counts()}")
        arms = [arm.name for arm in self.study.arms]
        self._explore()
        winners = {arm: winner(self.recorder.explored(arm)) for arm in arms}
        sealed = self._seal()
        self._confirm({arm: config for arm, config in winners.items() if config is not None})
        evidence = self._evidence(winners, sealed)
        evidence.write(self.order.folder / "evidence.json")
        judgement = judge(self.study, evidence)
        self._publish(evidence, judgement)
        return judgement

    def _planned(self) -> Plan:
        """The plan as this run began it: how many packs fly at once decides what the search learns from."""
        plan = with_devices(self.order.plan, self.cluster.devices // self.order.plan.workers)
        planned = self.journal.events("planned")
        if planned:
            return replace(plan, generation=planned[0]["generation"])
        self.journal.append(
            "planned", arguments=self.order.plan.arguments(), data_hash=self.order.dataset.content_hash,
            data=str(self.order.dataset.root), code=code_version(), generation=plan.generation,
        )  # fmt: skip
        return plan

    def _tracked(self) -> Tracker:
        """A resumed sweep goes on in its own MLflow run."""
        earlier = [event["run_id"] for event in self.journal.events("tracked")]
        tracker = Tracker()
        run_id = tracker.start(self.study, self._tags(), self._parameters(), earlier[-1] if earlier else None)
        if [run_id] != earlier[-1:]:
            self.journal.append("tracked", run_id=run_id)
        return tracker

    def _explore(self) -> None:
        sources = {arm.name: ArmSearch(self.plan, arm, self.recorder.known) for arm in self.study.arms}
        ahead = {name: self.plan.packs for name in sources}
        self._run_phase("explore", ahead, list(sources.values()), "validation")

    def _confirm(self, winners: dict[str, dict[str, Any]]) -> None:
        packs = {
            arm: FixedPacks([self.plan.confirmation(arm, config)], self.recorder.known)
            for arm, config in winners.items()
        }
        self._run_phase("confirm", {arm: 1 for arm in packs}, list(packs.values()), "test")

    def _run_phase(
        self, name: str, ahead: dict[str, int], sources: Sequence[PackSource], evaluation: str
    ) -> None:
        if all(source.finished for source in sources):
            return
        self.progress.begin(name, ahead, self.study.objective)
        task = Task(self.latents, evaluation, self.depot, str(self.order.folder.resolve() / "ray" / "train"))
        if self.plan.workers == 1:
            self._run_on_actors(task, sources)
        else:
            self._run_on_workers(task, sources)
        self.progress.end()

    def _run_on_actors(self, task: Task, sources: Sequence[PackSource]) -> None:
        for split in ("train", task.evaluation):
            self.latents.read(split)
        task = replace(task, latents=self.latents.only("train", task.evaluation))
        searcher = PackSearcher(sources, self.recorder, limit=self.cluster.devices)
        run_packs(searcher, run_pack, task, pack_resources(self.cluster), self.order.folder)

    def _run_on_workers(self, task: Task, sources: Sequence[PackSource]) -> None:
        from orchestrator.training import driver_resources, jobs_at_once, run_pack_on_workers, worker_cpus

        workers = self.plan.workers
        task = replace(
            task, latents=self.latents.only("train", task.evaluation), workers=workers,
            worker_cpus=worker_cpus(self.cluster, workers), use_gpu=self.cluster.gpus > 0,
        )  # fmt: skip
        searcher = PackSearcher(sources, self.recorder, limit=jobs_at_once(self.cluster, workers))
        run_packs(searcher, run_pack_on_workers, task, driver_resources(), self.order.folder)

    def _seal(self) -> str:
        """Fix criteria, seeds and test speakers before anyone looks at the test; the first seal stands."""
        for event in self.journal.events("sealed"):
            return str(event["criteria_hash"])
        seal = criteria_hash(self.study)
        self.journal.append(
            "sealed",
            criteria_hash=seal,
            seeds=self.plan.confirm_seeds(),
            data_hash=self.order.dataset.content_hash,
        )
        return seal

    def _evidence(self, winners: dict[str, dict[str, Any] | None], sealed: str) -> Evidence:
        found = {arm: config for arm, config in winners.items() if config is not None}
        evidence = Evidence(
            study=self.study.name,
            arms={arm: self.recorder.arm_evidence(arm, config) for arm, config in found.items()},
            data=describe_data(self.order.dataset),
            baselines={},
            provenance=self._provenance(sealed),
        )
        if found:
            self.progress.say("baselines and listening")
            evidence.baselines = baselines(self.latents, next(iter(found.values())))
            listen(evidence, self.order.dataset, self.latents, self.depot, self.progress)
        evidence.provenance["seconds"] = round(time.time() - self.started, 1)
        return evidence

    def _publish(self, evidence: Evidence, judgement: Judgement) -> None:
        folder = self.order.folder
        report = write_report(folder, self.study, evidence, judgement)
        note = markdown(self.study, judgement, str(report))
        self.tracker.finish(judgement, note, [report, folder / "verdict.json"], self._tags())
        self.journal.append("judged", verdict=str(judgement.verdict))
        smoke = " (smoke run: not evidence)" if self.plan.smoke else ""
        self.progress.say(
            f"\n{judgement.verdict}{smoke}: {judgement.reason}\n{judgement.consequence}\n\n"
            f"report  {report}\n{self.tracker.where()}\n"
            f"took {duration(time.time() - self.started)}"
        )

    def _counts(self) -> str:
        data, plan = self.order.dataset, self.plan
        speakers = ", ".join(f"{len(data.speakers(split))} {split}" for split in SPLITS)
        return (
            f"{data.meta.representation} latents of {speakers} speakers; per arm {plan.trials} "
            f"configurations in packs of {plan.lanes}, then {plan.replicates} replicates and 2 nulls"
        )

    def _tags(self) -> dict[str, str]:
        return {
            "study": self.study.name,
            "data_hash": self.order.dataset.content_hash,
            "representation": self.order.dataset.meta.representation,
            "criteria_hash": criteria_hash(self.study),
            "git_commit": git_commit(),
            "code": code_version(),
            "run_folder": str(self.order.folder.resolve()),
            **({"smoke": "true"} if self.plan.smoke else {}),
        }

    def _parameters(self) -> dict[str, Any]:
        return {**self.plan.arguments(), "lanes": self.plan.lanes, "latents": str(self.order.dataset.root)}

    def _provenance(self, sealed: str) -> dict[str, Any]:
        return {
            "command": self.order.command,
            "git_commit": git_commit(),
            "code": code_version(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
            "device": str(self.cluster),
            "machine": platform.platform(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started)),
            "criteria_hash": sealed,
            "workers": self.plan.workers,
            "seed": self.plan.seed,
            "trials": self.plan.trials,
            "lanes": self.plan.lanes,
            "replicates": self.plan.replicates,
            "smoke": self.plan.smoke,
            "resumed": self.order.resumed,
        }


def describe_data(dataset: LatentDataset) -> dict[str, Any]:
    """What the evidence says of its data."""
    meta = asdict(dataset.meta)
    return {
        "path": str(dataset.root),
        "hash": dataset.content_hash,
        "rms": dataset.rms,
        **meta,
        "speakers": {split: len(dataset.speakers(split)) for split in SPLITS},
        "utterances": {split: len(dataset.utterances(split)) for split in SPLITS},
        "frames": {split: dataset.frames(split) for split in SPLITS},
    }
