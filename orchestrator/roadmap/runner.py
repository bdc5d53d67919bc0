"""Running a roadmap: one sweep after another, as far as verdicts allow, from wherever it was left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import search_spaces
from orchestrator.datasets.collection import LatentCollection, checked_dataset, same_audio
from orchestrator.planning.design import Design, design_of
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.records.code_versions import code_version
from orchestrator.records.journal import Journal
from orchestrator.records.run_folders import fresh_folder, unfinished_run
from orchestrator.roadmap.gates import StepState
from orchestrator.roadmap.log import ENDED, STARTED, Entry, Logbook, unjudged
from orchestrator.roadmap.page import write_roadmap
from orchestrator.roadmap.status import Standing, advice, stand
from orchestrator.statistics import beliefs
from search_spaces.roadmap import INADMISSIBLE, ROADMAP, Roadmap
from search_spaces.study import Study, bound, criteria_hash
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, open_dataset

Sweep = Callable[[Study, LatentCollection, Path, bool, Design], None]


@dataclass(frozen=True, kw_only=True)
class RoadmapRequest:
    """What the user has asked for, checked."""

    latents: str
    out: Path
    until: int | None = None
    price: float | None = None
    address: str | None = None
    seed: int = 0
    smoke: bool = False
    command: str = ""


class RoadmapRunner:
    """A roadmap on some latents, with its log in ``order.out``."""

    def __init__(
        self,
        order: RoadmapRequest,
        roadmap: Roadmap = ROADMAP,
        say: Callable[[str], None] = print,
        sweep: Sweep | None = None,
    ) -> None:
        self.order, self.roadmap, self.say = order, roadmap, say
        self.sweep = sweep or self._sweep
        self.logbook = Logbook(order.out, order.smoke)
        self.logbook.entries()  # refused now rather than after hours
        self.dataset = checked_dataset(order.latents)
        self.studies = {step.study: self._askable(step.study) for step in roadmap.steps}
        self.tried: set[str] = set()

    def run(self) -> Path:
        """Run what may run until nothing is left; the page that tells of it."""
        with self.logbook.held():
            page = write_roadmap(self.order.out, self.standing())
            while ready := self.standing().outlook.ready:
                self._answer(ready[0])
                page = write_roadmap(self.order.out, self.standing())
        standing = self.standing()
        for status in standing.outlook.statuses:
            if status.state is not StepState.DONE:
                self.say(f"{status.step.study}: {status.state}, {status.reason}")
        self.say(f"\n{advice(standing)}\n\nroadmap  {page}")
        return page

    def standing(self) -> Standing:
        """How far it has come, by its log."""
        entries = self.logbook.entries()
        outlook, verdicts = stand(
            self.roadmap,
            self.studies,
            entries,
            self.dataset.content_hash,
            self._hash_of,
            self.order.until,
            self.tried,
        )
        hashes = {self.dataset.content_hash}
        if outlook.representation:
            hashes.add(self._hash_of(outlook.representation) or "")
        return Standing(
            outlook=outlook,
            studies=self.studies,
            entries=tuple(e for e in entries if e.data_hash in hashes),
            verdicts=verdicts,
            latents=self.order.latents,
            representation=self.dataset.meta.representation,
            until=self.order.until,
            smoke=self.order.smoke,
        )

    def _answer(self, name: str) -> None:
        """Bring one study to its verdict, and write down how it ended."""
        study = self.studies[name]
        latents = self.latents_of(study)
        first = latents.first
        entry = Entry(
            STARTED,
            name,
            criteria_hash(study),
            first.content_hash,
            first.meta.representation,
            run="",
            smoke=self.order.smoke,
            prior=study.prior.probability,
        )
        left = unjudged(self.logbook.entries(), name, entry.declared, entry.data_hash)
        folder = self.order.out / left.run if left else None
        if folder is None or not _judged(folder):
            # Refused now rather than after Ray has started.
            design = design_of(self.plan(study), latents, self.order.out)
            folder, resumed = self._folder(study, latents, left is not None)
            entry = replace(entry, run=folder.name)
            if not (left and left.run == entry.run):
                self.logbook.append(entry)
            self.say(f"\n{name}: {'going on' if resumed else 'starting'} in {folder}")
            self.sweep(study, latents, folder, resumed, design)
        self._record(study, replace(entry, run=folder.name), folder)

    def _record(self, study: Study, entry: Entry, folder: Path) -> None:
        told = _read(folder / "verdict.json")
        verdict, step = told["verdict"], self.roadmap.step(study.name)
        evidence = _read(folder / "evidence.json")
        consequence = step.consequences[verdict]
        winner = _winner(study, evidence) if consequence.switches else ""
        self.logbook.append(
            replace(
                Entry(ENDED, *_key(entry)),
                smoke=entry.smoke,
                verdict=verdict,
                reason=told["reason"],
                consequence=told.get("consequence", ""),
                winner=winner,
                prior=told["prior"],
                posterior=_posterior(study, told),
                cost=evidence.get("cost", {}),
            )
        )
        self.tried |= {study.name} if verdict == INADMISSIBLE else set()
        opens = f"; opens {', '.join(consequence.opens)}" if consequence.opens else ""
        self.say(f"{study.name} ended {verdict}. {consequence.text}{opens}")

    def _folder(self, study: Study, latents: LatentCollection, begun: bool) -> tuple[Path, bool]:
        """The folder of an unfinished run of the same kind, else a new one."""
        if begun:
            try:
                arguments = self.plan(study).arguments()
                found = (self.order.out, arguments, latents.content_hash, code_version(), latents.where)
                return unfinished_run(*found), True
            except InputError as error:
                self.say(f"{study.name} starts afresh: {error}")
        return fresh_folder(self.order.out, study.name), False

    def _sweep(
        self, study: Study, latents: LatentCollection, folder: Path, resumed: bool, design: Design
    ) -> None:
        from orchestrator.execution.progress import Progress
        from orchestrator.lifecycle.sweep import run_sweep  # loads Ray
        from orchestrator.lifecycle.sweep_request import SweepRequest

        order = self.order
        run_sweep(
            SweepRequest(
                plan=self.plan(study),
                latents=latents,
                folder=folder,
                address=order.address,
                command=order.command,
                resumed=resumed,
                price=order.price,
                inspect=not order.smoke,
                design=design,
            ),
            Progress(),
        )

    def plan(self, study: Study) -> Plan:
        """The budgets of a study, as everywhere."""
        order, rates = self.order, {} if study.missing else self.latents_of(study).frame_rates
        return make_plan(study, seed=order.seed, smoke=order.smoke, frame_rates=rates)

    def latents_of(self, study: Study) -> LatentCollection:
        """Those that a study runs on: the active ones, and all beside them where it compares."""
        if not study.compares:
            return LatentCollection((self._active(),))
        return LatentCollection((self.dataset, *self._others))

    @cached_property
    def _others(self) -> list[LatentDataset]:
        """Other representations of the same audio, which lie beside the latents of the roadmap."""
        if self.dataset.meta.world is not None:  # worlds lie side by side, and are no representations
            return []
        return same_audio(self.dataset, sorted(self.dataset.root.parent.iterdir()))

    def _askable(self, name: str) -> Study:
        """A study as it can be asked here; one that compares waits for something to compare with."""
        study = search_spaces.load(name)
        if not study.compares or study.missing:
            return study
        if not self._others:
            return replace(study, missing=f"latents of another representation beside {self.dataset.root}")
        return bound(study, [d.meta.representation for d in (self.dataset, *self._others)])

    def _active(self) -> LatentDataset:
        """The latents that the next step runs on."""
        switched = self.standing().outlook.representation
        known = self._named(switched or self.dataset.meta.representation)
        if known is not None:
            return known
        folder = self._beside(switched)
        if not folder.is_dir():
            raise InputError(
                f"the roadmap has switched to {switched}, but {folder} does not exist; encode it with "
                f"python -m orchestrator.encode SOURCE --representation {switched} --out {folder}"
            )
        return checked_dataset(str(folder))

    def _hash_of(self, representation: str) -> str | None:
        known = self._named(representation)
        if known is not None:
            return known.content_hash
        folder = self._beside(representation)
        return open_dataset(folder).content_hash if folder.is_dir() else None

    def _named(self, representation: str) -> LatentDataset | None:
        """The latents of a representation, where they were there when the journey began."""
        found = (self.dataset, *self._others)
        return next((d for d in found if d.meta.representation == representation), None)

    def _beside(self, representation: str) -> Path:
        """Latents of several representations lie side by side, each in a folder of its name."""
        return self.dataset.root.parent / representation


def _key(entry: Entry) -> tuple[str, str, str, str, str]:
    return entry.study, entry.declared, entry.data_hash, entry.representation, entry.run


def _judged(folder: Path) -> bool:
    """Whether a run was judged before its end could be written down."""
    return (folder / "verdict.json").exists() and bool(Journal(folder).events("judged"))


def _winner(study: Study, evidence: dict[str, Any]) -> str:
    """The representation that the winning arm ended with, where the study is about representations."""
    return str(evidence["arms"][study.primary.arm]["config"]["representation"])


def _posterior(study: Study, told: dict[str, Any]) -> float:
    if told.get("posterior") is not None:
        return float(told["posterior"])
    prior, budget = float(told["prior"]), study.budget
    return beliefs.posterior(prior, told["verdict"], budget.alpha, budget.power)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
