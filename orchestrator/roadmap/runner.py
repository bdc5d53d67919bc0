"""Running a roadmap: one sweep after another, as far as verdicts allow, from where it stopped last time."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator.datasets.collection import LatentCollection, checked_dataset, open_collection, same_audio
from orchestrator.planning.design import Design, design_of
from orchestrator.planning.needed_decoder import lacks_decoder
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.records.code_versions import full_version
from orchestrator.records.journal import Journal
from orchestrator.records.run_folders import fresh_folder, unfinished_run
from orchestrator.records.study_code import code_of_study
from orchestrator.records.study_file import keep_copy, require_copy
from orchestrator.roadmap.gates import StepState
from orchestrator.roadmap.log import STARTED, Entry, Logbook, unjudged
from orchestrator.roadmap.page import write_roadmap
from orchestrator.roadmap.sealed_runs import circumstances, ended_entry, merged, sealed_verdicts
from orchestrator.roadmap.status import Standing, advice, outlook_from_log
from orchestrator.roadmap.study_shelf import OURS, StudyShelf
from search_spaces.effort import QUICK, with_effort
from search_spaces.roadmap import ROADMAP, Roadmap
from search_spaces.study import Study, bound, criteria_hash
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, open_dataset

Sweep = Callable[[Study, LatentCollection, Path, bool, Design], None]


@dataclass(frozen=True, kw_only=True)
class RoadmapRequest:
    """The checked options of ``python -m orchestrator.roadmap``."""

    latents: str
    out: Path
    # What is compared with the latents, in studies that compare; empty takes what lies beside them.
    others: tuple[str, ...] = ()
    until: int | None = None
    price: float | None = None
    address: str | None = None
    effort: str = QUICK
    seed: int = 0
    smoke: bool = False
    command: str = ""


class RoadmapRunner:
    """Runs a roadmap on some latents, with its log in ``order.out``.

    Raises:
        InputError: the log or the latents cannot be read.
    """

    def __init__(
        self,
        order: RoadmapRequest,
        roadmap: Roadmap = ROADMAP,
        say: Callable[[str], None] = print,
        sweep: Sweep | None = None,
        shelf: StudyShelf = OURS,
    ) -> None:
        self.order, self.roadmap, self.say, self.shelf = order, roadmap, say, shelf
        self.sweep = sweep or self._sweep
        self.logbook = Logbook(order.out, order.smoke)
        self.logbook.entries()  # a damaged log is refused now rather than after hours
        self.dataset, *self._given = open_collection([order.latents, *order.others])
        self.studies = {step.study: self._runnable_study(step.study) for step in roadmap.steps}

    def run(self) -> Path:
        """Run every study whose gate is open until none is left; return the file of the page."""
        self.say(self.comparison())
        with self.logbook.held():
            page = write_roadmap(self.order.out, self.standing())
            while ready := self.standing().outlook.ready:
                self._answer(ready[0])
                page = write_roadmap(self.order.out, self.standing())
        standing = self.standing()
        for status in standing.outlook.statuses:
            if status.state is not StepState.DONE:
                self.say(f"{status.step.study}: {status.state}, {status.reason}")
        self.say("\n".join(["", *advice(standing), "", f"roadmap  {page}"]))
        return page

    def comparison(self) -> str:
        """Which latents a study that compares representations takes, and why these."""
        given, folders = f"{self.dataset.meta.representation} ({self.dataset.root})", self._folders()
        why = "given" if self.order.others else "of the same audio, found beside it"
        what = f"with {', '.join(folders)}, {why}" if folders else "with nothing: no others were found"
        names = [name for name, study in self.studies.items() if study.compares]
        if not names:
            return "no study compares representations"
        return f"{' and '.join(names)} compares {given} {what}"

    def _folders(self) -> tuple[str, ...]:
        return tuple(f"{d.meta.representation} ({d.root})" for d in self._others)

    def entries(self) -> list[Entry]:
        """The log, and the verdicts of sealed runs in the same folder that it does not hold."""
        logged, order = self.logbook.entries(), self.order
        if order.smoke:
            return logged
        compared = [d.meta.representation for d in (self.dataset, *self._others)]
        where = order.out, self.studies, compared, self._dataset_of, order.effort
        return merged(logged, sealed_verdicts(*where, self.shelf.load))

    def standing(self) -> Standing:
        """The state of the roadmap according to its log and to the sealed runs beside it."""
        entries = self.entries()
        outlook, verdicts = outlook_from_log(
            self.roadmap,
            self.studies,
            entries,
            self.dataset.content_hash,
            self._hash_of,
            self.order.until,
            circumstances(full_version(), self.order.effort, self.order.seed),
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
            others=self._folders(),
        )

    def _answer(self, name: str) -> None:
        """Run one study until it has a verdict, and log it; an unfinished run of it is continued."""
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
        unfinished = unjudged(self.logbook.entries(), name, entry.declared, entry.data_hash)
        folder = self.order.out / unfinished.run if unfinished else None
        if folder is None or not _judged(folder):
            # A design that cannot decide is refused now rather than after Ray has started.
            design = design_of(self.plan(study), latents, self.order.out)
            folder, resumed = self._folder(study, latents, unfinished is not None)
            entry = replace(entry, run=folder.name)
            if not (unfinished and unfinished.run == entry.run):
                self.logbook.append(entry)
            self.say(f"\n{name}: {'going on' if resumed else 'starting'} in {folder}")
            self.sweep(study, latents, folder, resumed, design)
        self._record(study, replace(entry, run=folder.name), folder)

    def _record(self, study: Study, entry: Entry, folder: Path) -> None:
        ended = ended_entry(study, folder, self.latents_of(study).first, self.order.effort, entry.smoke)
        consequence = self.roadmap.step(study.name).consequences[ended.verdict]
        self.logbook.append(replace(ended, winner=ended.winner if consequence.switches else ""))
        opens = f" It opens {', '.join(consequence.opens)}." if consequence.opens else ""
        self.say(f"{study.name} ended {ended.verdict}. {consequence.text}{opens}")

    def _folder(self, study: Study, latents: LatentCollection, begun: bool) -> tuple[Path, bool]:
        """The folder of an unfinished run of the same kind, else a new one."""
        if begun:
            try:
                arguments = self.plan(study).arguments()
                run = (
                    self.order.out,
                    arguments,
                    latents.content_hash,
                    code_of_study(study),
                    latents.where,
                )
                folder = unfinished_run(*run)
                require_copy(self.shelf.path(study.name), folder)
                return folder, True
            except InputError as error:
                self.say(f"{study.name} starts afresh: {error}")
        folder = fresh_folder(self.order.out, study.name)
        keep_copy(self.shelf.path(study.name), folder)
        return folder, False

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
        """The plan of a study, with the same budgets as a sweep of its own would have."""
        order, rates = self.order, {} if study.missing else self.latents_of(study).frame_rates
        study = with_effort(study, order.effort)
        return make_plan(study, seed=order.seed, smoke=order.smoke, frame_rates=rates)

    def latents_of(self, study: Study) -> LatentCollection:
        """The latents that a study runs on: the active ones, or all representations where it compares."""
        if not study.compares:
            return LatentCollection((self._active(),))
        return LatentCollection((self.dataset, *self._others))

    @cached_property
    def _others(self) -> list[LatentDataset]:
        """Other representations of the same audio: those given, else in folders beside the latents."""
        if self._given:
            return self._given
        if (
            self.dataset.meta.world is not None
        ):  # control worlds lie side by side, but are not representations of one audio
            return []
        return same_audio(self.dataset, sorted(self.dataset.root.parent.iterdir()))

    def _runnable_study(self, name: str) -> Study:
        """A study as it can run on these latents; one that compares waits for something to compare with."""
        study = self.shelf.load(name)
        if not study.compares or study.missing:
            return replace(study, missing=study.missing or lacks_decoder(study, self.dataset))
        if not self._others:
            return replace(study, missing=f"latents of another representation beside {self.dataset.root}")
        return bound(study, [d.meta.representation for d in (self.dataset, *self._others)])

    def _active(self) -> LatentDataset:
        """The latents that the next step runs on."""
        switched = self.standing().outlook.representation
        dataset = self._named(switched or self.dataset.meta.representation)
        if dataset is not None:
            return dataset
        folder = self._beside(switched)
        if not folder.is_dir():
            command = ["python", "-m", "orchestrator.encode", "SOURCE", "--representation", str(switched)]
            raise InputError(
                f"the roadmap has switched to {switched}, but {folder} does not exist; encode it with "
                f"{shlex.join([*command, '--out', str(folder)])}"
            )
        return checked_dataset(str(folder))

    def _hash_of(self, representation: str) -> str | None:
        dataset = self._dataset_of(representation)
        return None if dataset is None else dataset.content_hash

    def _dataset_of(self, representation: str) -> LatentDataset | None:
        """The latents of a representation: given, found beside the given ones, or put there since."""
        folder = self._beside(representation)
        return self._named(representation) or (open_dataset(folder) if folder.is_dir() else None)

    def _named(self, representation: str) -> LatentDataset | None:
        """The latents of a representation that were found when the roadmap was opened, else None."""
        datasets = (self.dataset, *self._others)
        return next((d for d in datasets if d.meta.representation == representation), None)

    def _beside(self, representation: str) -> Path:
        """The folder of a representation: representations lie side by side, each in a folder of its name."""
        return self.dataset.root.parent / representation


def _judged(folder: Path) -> bool:
    """Whether a run was judged, although its end may not have been logged."""
    return (folder / "verdict.json").exists() and bool(Journal(folder).events("judged"))
