"""A run folder copied to MLflow: whatever the folder holds and MLflow does not is added, and nothing twice.

The folder has all of it: what the run is called, its finished lanes, its seal, its verdict and its report. So
MLflow can be told of it while it grows, after an outage of the store, or years later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.execution.mlflow_store import first_line
from orchestrator.execution.mlflow_tracking import Tracker
from orchestrator.handoff.exported_folder import write_export
from orchestrator.handoff.winners import continuing_arms
from orchestrator.records.arm_evidence import Event, place_of
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import RESUME, Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.records.phase import Phase
from orchestrator.records.run_folders import EXPLORATION_FILE
from trainables.errors import InputError
from trainables.latents.batching.surrogates import PLANTS, Surrogate

# Events of the journal: the run's name in MLflow, its id there, and why it ended without a verdict.
DESCRIBED, TRACKED, STOPPED = "described", "tracked", "stopped"
RECORDED_FILES = (
    "report.html",
    "report.md",
    "verdict.json",
    EXPLORATION_FILE,
    "listening/play.html",  # where `listen play` has written it
)
_EXPERIMENT = "audio-latents"


class RunMirror:
    """One run folder and its runs in MLflow.

    Args:
        alive: whether a process is at work in the folder. Of a run that nobody works at, and that has no
            verdict, MLflow says that it was killed.
    """

    def __init__(self, folder: Path, *, alive: bool = True, experiment: str = _EXPERIMENT) -> None:
        self.folder = folder
        # How the run ended without a verdict, where the disk was too full to write it down.
        self.stopped: dict[str, Any] | None = None
        self.is_closed = False
        self._alive, self._experiment = alive, experiment
        self._journal = Journal(folder)
        self._tracker: Tracker | None = None
        self._seen: tuple[int, dict[str, Any] | None] = (-1, None)  # size of the journal, and the end
        self._sealed = False

    def update(self, on_success: Callable[[], None] = lambda: None) -> None:
        """Add what is new; ``on_success`` is called for every lane that the store has taken.

        Raises:
            InputError: the store cannot be opened.
            Exception: whatever else MLflow raises. The next call then looks at everything afresh.
        """
        seen = (
            (self._journal.path.stat().st_size, self.stopped) if self._journal.path.exists() else self._seen
        )
        if self.is_closed or seen == self._seen:
            return
        events = self._journal.events()
        if not any(event["event"] == DESCRIBED for event in events):
            return
        try:
            self._add(events, on_success)
        except BaseException:
            self._tracker = None  # what it knows of the store may have become wrong
            raise
        self._seen = seen

    def is_missing(self) -> bool:
        """Whether there is something of this run that MLflow has not got."""
        return not self.is_closed and bool(self._journal.events(DESCRIBED))

    def where(self) -> str:
        """Lines for the user: where the record lies and how to show it; none where it lies nowhere yet."""
        return self._tracker.where() if self._tracker else ""

    def _add(self, events: Sequence[Event], on_success: Callable[[], None]) -> None:
        tracker = self._tracker or self._open(events)
        archive = LaneStore(self.folder.parent / LANES_FOLDER)
        last = {place_of(event): event for event in events if event["event"] == "finished"}
        for event in last.values():
            if not tracker.has(_name(event)) and (result := archive.result(event["key"])) is not None:
                _add_lane(tracker, event, result)
                on_success()
        for event in [e for e in events if e["event"] == "sealed" and not self._sealed][:1]:
            tracker.tag({"seal": event["seal_hash"]})
            self._sealed = True
        self._end(tracker, events, on_success)

    def _open(self, events: Sequence[Event]) -> Tracker:
        """The tracker of this run, after its first opening, or after the store has failed."""
        described = [event for event in events if event["event"] == DESCRIBED][-1]
        known = [event["run_id"] for event in events if event["event"] == TRACKED]
        self._sealed = False
        tracker = Tracker(self._experiment)
        run_id = tracker.start(
            described["name"],
            described["tags"],
            described["parameters"],
            known[-1] if known else None,
            _mark(self.folder, events),
            described.get("datasets", ()),
        )
        # Nothing is added to the journal of a run that has ended; the run is found by its mark as well.
        if self._alive and [run_id] != known[-1:] and events[-1]["event"] != "judged" and not self.stopped:
            self._journal.append(TRACKED, run_id=run_id)
        self._tracker = tracker
        return tracker

    def _end(self, tracker: Tracker, events: Sequence[Event], on_success: Callable[[], None]) -> None:
        """Close the run in MLflow, where it has ended."""
        newest = [e for e in events if e["event"] in ("opened", "judged", STOPPED)][-1]
        stopped = self.stopped or (newest if newest["event"] == STOPPED else None)
        if newest["event"] == "judged":
            verdict = json.loads((self.folder / "verdict.json").read_text())
            if [event for event in events if event["event"] == DESCRIBED][-1].get("hands_on"):
                _add_winners(tracker, self.folder, verdict, on_success)
            page = (self.folder / "report.md").read_text()
            files = [self.folder / name for name in RECORDED_FILES]
            tracker.finish(verdict, page, [file for file in files if file.exists()])
        elif stopped:
            tracker.fail(stopped["reason"], interrupted=stopped["interrupted"])
        elif not self._alive:
            tracker.fail(f"ended without a verdict; {RESUME}", interrupted=True)
        else:
            return
        self.is_closed = True


def record(run: Path) -> str:
    """Bring MLflow up to date with a run folder and with the control worlds that it cites; say where it is.

    Raises:
        InputError: there is no such run, another process is at work in it, or MLflow does not take it.
    """
    if not (run / "journal.jsonl").is_file():
        raise InputError(f"{run} holds no journal.jsonl; name the folder of a run")
    with Journal(run).held():
        mirror = RunMirror(run, alive=False)
        for each in (mirror, *map(RunMirror, _control_worlds(run))):
            try:
                each.update()
            except InputError:
                raise
            except Exception as problem:
                raise InputError(f"{each.folder} is not recorded: {first_line(problem)}") from problem
    return mirror.where()


def _control_worlds(run: Path) -> list[Path]:
    try:
        cited = json.loads((run / "evidence.json").read_text())["assays"]
        return [run.parent / assay["folder"] for assay in cited]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # there is no evidence yet


def _add_lane(tracker: Tracker, event: Event, result: Mapping[str, Any]) -> None:
    tracker.lane(
        _name(event),
        event["arm"],
        _kind(event),
        event["config"],
        result["history"],
        result["scores"],
        event["status"],
        {"objective": event["objective"], "seconds": event["seconds"]},
        (event["time"] - event["seconds"], event["time"]),
    )


def _add_winners(
    tracker: Tracker, run: Path, verdict: Mapping[str, Any], on_success: Callable[[], None]
) -> None:
    """Record the winners that continue latents; one whose weights are gone is left out."""
    try:
        evidence = Evidence.read(run / "evidence.json")
    except InputError:
        return
    known = {name: verdict.get(name) for name in ("study", "verdict", "seal")}
    for arm in continuing_arms(evidence):
        with TemporaryDirectory() as place, suppress(InputError):
            folder = Path(place) / "predictor"
            origin = write_export(run, evidence, arm, folder)
            tracker.winner(arm, folder, {**known, "seed": origin["seed"], "data_hash": origin["data_hash"]})
        on_success()


def _kind(event: Event) -> str:
    """What a lane is: of its phase, or where a confirmation's frames are not real, a "null" or a "plant"."""
    if event["phase"] != Phase.CONFIRM or event["config"]["surrogate"] == Surrogate.REAL:
        return str(event["phase"])
    return "plant" if event["config"]["surrogate"] in PLANTS else "null"


def _name(event: Event) -> str:
    return f"{event['arm']} {event['phase']} {event['index']}"


def _mark(folder: Path, events: Sequence[Event]) -> str:
    """What finds a run in any store: its folder's name, and what was planned in it and when."""
    planned = [event for event in events if event["event"] == "planned"][:1]
    return hashlib.sha256(json.dumps([folder.name, planned], sort_keys=True).encode()).hexdigest()[:32]
