"""What was asked, started, finished, sealed and judged: an append-only log from which a killed sweep goes on.

One line of JSON per event in ``journal.jsonl``. The result of a finished lane lies in the archive, under the
key that its line names, and is written before the line is: a line never promises what is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import orchestrator
import search_spaces
import trainables
from orchestrator.files import alone
from trainables.errors import InputError

_TRAINS = ("data.py", "training.py", "tuning.py")  # the files here that reach into a lane's training
_DIAGNOSES = ("data.py", "diagnosis.py", "reporting/diagnosis_data.py")  # ... and into a diagnosis
_JUDGES = ("clips.py", "exhibits.py", "evidence.py")  # ... and into what a verdict is judged on
RESUME = "run the same command again with --resume to go on"


class Journal:
    """The log of one run folder. Holds no open file, so it may be copied and pickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, event: str, **data: Any) -> None:
        """Add one event and force it to disk; starts a new line where a kill has torn the last one."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **data}, allow_nan=False)
        with self.path.open("ab") as log:
            log.write((b"\n" if _is_torn(self.path) else b"") + line.encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Every event in order, or those of one kind; torn lines are passed over."""
        events = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return [e for e in events if kind in (None, e["event"])]

    def answered(self) -> bool:
        """Whether the run has a verdict that stands; an INADMISSIBLE one may be mended and asked again."""
        return any(event["verdict"] != "INADMISSIBLE" for event in self.events("judged"))

    @contextmanager
    def held(self, wait: bool = False) -> Iterator[None]:
        """Keep every other process out of this run; a killed one lets go of it.

        Raises:
            InputError: another process is at work in it, and ``wait`` is not asked for.
        """
        busy = f"another process is at work in {self.folder}; wait for it, or leave --resume out"
        with alone(self.folder, None if wait else busy):
            yield


@cache
def code_version() -> str:
    """Hash of all code that a lane's numbers come from, uncommitted edits included, and torch's version."""
    here = Path(__file__).parent
    return _hashed({**_sources(trainables), **{name: here / name for name in _TRAINS}}, version("torch"))


@cache
def judge_version() -> str:
    """Hash of the code that turns lanes into a verdict."""
    return _hashed(_judging(_JUDGES), version("scipy"))


@cache
def diagnosis_version() -> str:
    """Hash of the code that a diagnosis comes from."""
    return _hashed({**_sources(trainables), **_judging(_DIAGNOSES)}, version("torch"), version("scipy"))


@cache
def full_version() -> str:
    """Hash of all code that a verdict comes from."""
    found: dict[str, Path] = {}
    for package in (trainables, orchestrator, search_spaces):
        found |= _sources(package)
    return _hashed(found, version("torch"))


@cache
def git_commit() -> str:
    """The commit that this code stands at, or "unknown" outside a repository."""
    where = Path(trainables.__file__).parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def unfinished_run(
    out: Path, arguments: Mapping[str, Any], data_hash: str, code: str, data: str = ""
) -> Path:
    """The newest run folder in ``out`` that the same arguments left without an admissible verdict.

    Where there is none, a run that was sealed goes on whatever has changed since, for its verdict to say so:
    the newest of the same study and seed on the latents in the folder ``data``.

    Raises:
        InputError: there is none, or data or code have changed since it began (it would mix two experiments).
    """
    left = [(folder, planned) for folder, planned in _planned_runs(out) if not Journal(folder).answered()]
    same = [(folder, p) for folder, p in left if p["arguments"] == dict(arguments)]
    for folder, planned in same:
        if (planned["data_hash"], planned["code"]) == (data_hash, code):
            return folder
    for folder, planned in left:
        alike = all(planned["arguments"].get(n) == arguments.get(n) for n in ("study", "seed", "smoke"))
        if alike and planned.get("data", data) == data and Journal(folder).events("sealed"):
            return folder
    for folder, planned in same:
        _must_equal(folder, "data", planned["data_hash"], data_hash)
        _must_equal(folder, "code", planned["code"], code)
    raise InputError(
        f"--resume found no unfinished run of study {arguments['study']!r} with these arguments in {out}; "
        "leave --resume out to start one"
    )


def _planned_runs(out: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Run folders, the newest first, with what was planned in them."""
    for path in sorted(out.glob("*/journal.jsonl"), key=lambda p: p.parent.name, reverse=True):
        planned = Journal(path.parent).events("planned")
        if planned:
            yield path.parent, planned[0]


def _must_equal(folder: Path, what: str, before: str, now: str) -> None:
    if before != now:
        raise InputError(
            f"--resume cannot continue {folder}: its {what} was {before[:24]} and is {now[:24]} now; "
            "leave --resume out to start afresh"
        )


def _sources(package: ModuleType) -> dict[str, Path]:
    """The source files of a package by their place in it, wherever it is installed."""
    root = Path(package.__file__ or "").parent
    return {f"{package.__name__}/{path.relative_to(root)}": path for path in root.rglob("*.py")}


def _judging(names: Iterable[str]) -> dict[str, Path]:
    """All of ``statistics``, and these files here."""
    here = Path(__file__).parent
    found = {f"statistics/{path.name}": path for path in (here / "statistics").glob("*.py")}
    return {**found, **{name: here / name for name in names}}


def _hashed(sources: Mapping[str, Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name].read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def _is_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as log:
        log.seek(-1, os.SEEK_END)
        return log.read(1) != b"\n"
