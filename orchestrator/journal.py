"""What has been asked, started, finished and judged: an append-only log from which a killed sweep goes on.

One line of JSON per event in ``journal.jsonl``. The full result of a lane lies beside it in
``lanes/<key>.json``, written before its line is, so a line never promises what is not there. The key of a
lane says all that its result depends on: configuration, data and code.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import trainables
from trainables.errors import InputError

RESUME = "run the same command again with --resume to go on"


class Journal:
    """The log of one run folder. Holds no open file, so it may be copied and pickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.jsonl"
        (folder / "lanes").mkdir(parents=True, exist_ok=True)

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

    def finish_lane(self, key: str, result: Mapping[str, Any], **data: Any) -> None:
        """Store a lane's full result, then log that it is finished."""
        target = self.folder / "lanes" / f"{key}.json"
        temporary = target.with_suffix(".tmp")
        temporary.write_text(json.dumps(result))
        temporary.replace(target)
        self.append("finished", key=key, **data)

    def finished(self) -> dict[str, dict[str, Any]]:
        """The ``finished`` events by lane key."""
        return {event["key"]: event for event in self.events("finished")}

    def result(self, key: str) -> dict[str, Any]:
        """The full result of a finished lane."""
        return json.loads((self.folder / "lanes" / f"{key}.json").read_text())


def lane_key(config: Mapping[str, Any], data_hash: str, code: str) -> str:
    """Name of a lane's result: sha256 over everything that the result depends on."""
    text = json.dumps([config, data_hash, code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def code_version() -> str:
    """Git commit plus a hash of the sources of ``trainables``, so that uncommitted edits count too."""
    root = Path(trainables.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{git_commit()}+{digest.hexdigest()[:16]}"


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


def unfinished_run(out: Path, arguments: Mapping[str, Any], data_hash: str, code: str) -> Path:
    """The newest run folder in ``out`` that the same arguments left without a verdict.

    Raises:
        InputError: there is none, or its data or code have changed since (a result would mix two
            experiments).
    """
    for folder in sorted((p.parent for p in out.glob("*/journal.jsonl")), key=lambda p: p.name, reverse=True):
        journal = Journal(folder)
        planned = journal.events("planned")
        if planned and planned[0]["arguments"] == dict(arguments) and not journal.events("judged"):
            _must_equal(folder, "data", planned[0]["data_hash"], data_hash)
            _must_equal(folder, "code", planned[0]["code"], code)
            return folder
    raise InputError(
        f"--resume found no unfinished run of study {arguments['study']!r} with these arguments in {out}; "
        "leave --resume out to start one"
    )


def _must_equal(folder: Path, what: str, before: str, now: str) -> None:
    if before != now:
        raise InputError(
            f"--resume cannot continue {folder}: its {what} was {before[:24]} and is {now[:24]} now; "
            "leave --resume out to start afresh"
        )


def _is_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as log:
        log.seek(-1, os.SEEK_END)
        return log.read(1) != b"\n"
