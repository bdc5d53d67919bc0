"""The log of a roadmap: an append-only ``roadmap.jsonl`` of the studies that were started and how they ended.

One line of JSON per entry. A last line that a kill has cut short is skipped; any other line that cannot be
read is refused, and the file is left as it is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.runtime.atomic_files import exclusive_lock
from orchestrator.runtime.disk_space import writing
from trainables.errors import InputError

STARTED, ENDED = "started", "ended"
_OPENING = b'{"event": "'  # of every line


@dataclass(frozen=True)
class Entry:
    """A line of the log: a study was started, or has ended with a verdict."""

    event: str
    study: str
    declared: str  # hash of the criteria and everything else that the study declares about its judgement
    data_hash: str  # of the latents
    representation: str  # of the latents
    run: str  # name of the run's folder
    smoke: bool = False
    time: float = field(default_factory=lambda: round(time.time(), 3))
    # What follows is known once the study has ended.
    verdict: str = ""
    reason: str = ""
    consequence: str = ""
    winner: str = ""  # the representation that won, where that was the question
    prior: float | None = None
    posterior: float | None = None
    cost: dict[str, Any] = field(default_factory=dict)  # as evidence.json has it: "planned" and "spent"
    figure: dict[str, Any] = field(default_factory=dict)  # the criterion that decided, as verdict.json has it
    forced: str = ""  # what its gate waited for, where it was run all the same
    circumstances: str = ""  # version of all code, effort and seed; empty in logs of before


class Logbook:
    """The log of one folder of runs; smoke runs have a log file of their own."""

    def __init__(self, folder: Path, smoke: bool = False) -> None:
        self.smoke = smoke
        self.path = folder / f"roadmap{'-smoke' if smoke else ''}.jsonl"

    def append(self, entry: Entry) -> None:
        """Add an entry and force it to disk; it replaces an incomplete line that a kill may have left."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        whole, tail = self._lines()
        with writing(self.path, len(line)), self.path.open("ab") as log:
            if _torn(tail):
                log.truncate(sum(len(line) + 1 for line in whole))
            log.write((b"\n" if tail and not _torn(tail) else b"") + line)
            log.flush()
            os.fsync(log.fileno())

    def entries(self) -> list[Entry]:
        """All entries of the log, the oldest first.

        Raises:
            InputError: a line is not an entry of a roadmap's log.
        """
        whole, tail = self._lines()
        lines = [*whole, tail] if tail and not _torn(tail) else whole
        return [self._entry(number, line) for number, line in enumerate(lines, 1)]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other roadmap out of this folder; the lock of a killed process is released.

        Raises:
            InputError: another roadmap is at work in it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        where = self.path.parent
        with exclusive_lock(
            self.path, f"another roadmap is at work in {where}; wait for it, or name another --out"
        ):
            yield

    def _lines(self) -> tuple[list[bytes], bytes]:
        """The complete lines, and the text after the last of them."""
        *whole, tail = self.path.read_bytes().split(b"\n") if self.path.exists() else [b""]
        return whole, tail

    def _entry(self, number: int, line: bytes) -> Entry:
        entry = _parsed(line)
        if entry and entry.smoke == self.smoke:
            return entry
        raise InputError(
            f"line {number} of {self.path} is no entry of a roadmap's log; remove that line, or move the "
            "file away to start again (nothing was changed)"
        )


def _parsed(line: bytes) -> Entry | None:
    try:
        entry = Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
    return entry if entry.event in (STARTED, ENDED) else None


def _torn(tail: bytes) -> bool:
    """Whether this is the beginning of an entry that was cut short."""
    return bool(tail) and tail[: len(_OPENING)] == _OPENING[: len(tail)] and _parsed(tail) is None


def ended(entries: Sequence[Entry], study: str, declared: str, data_hash: str) -> Entry | None:
    """The newest verdict of a study, as it is declared now, on these latents; None where there is none."""
    return _newest(entries, (study, declared, data_hash), ENDED)


def unjudged(entries: Sequence[Entry], study: str, declared: str, data_hash: str) -> Entry | None:
    """The newest start of a study on these latents, unless that run has ended; None where there is none."""
    start = _newest(entries, (study, declared, data_hash), STARTED)
    if start and any(entry.event == ENDED and entry.run == start.run for entry in entries):
        return None
    return start


def _newest(entries: Sequence[Entry], key: tuple[str, str, str], event: str) -> Entry | None:
    matching = [e for e in entries if (e.study, e.declared, e.data_hash) == key and e.event == event]
    return matching[-1] if matching else None
