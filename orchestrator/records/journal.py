"""The journal of a sweep, an append-only log of events from which a killed sweep goes on.

Every event is one line of JSON in ``journal.jsonl``. The result of a finished lane lies in the lane store,
under the key in its line, and is written before the line: a line never promises what is not there.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.records.event_file import event_file
from orchestrator.runtime.atomic_files import append_line, exclusive_lock

RESUME = "run the same command again with --resume to go on"

# What is asked of events of some kinds.
_KEYS: dict[Any, set[str]] = {
    "planned": {"arguments"},
    "estimated": {"cost"},
    "drawn": {"arm", "pack", "settings"},
    "finished": {"key"},
    "sealed": {"seal"},
    "judged": {"verdict"},
    "panel sealed": {"panel", "pages"},
}
# The thread that records in MLflow writes down where; two lines must not run into each other.
_appending = threading.Lock()


class Journal:
    """The journal of one run folder; it holds no open file, so it may be copied and pickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = event_file(self.path, _KEYS)

    def __reduce__(self) -> tuple[type[Journal], tuple[Path]]:
        return Journal, (self.folder,)

    def append(self, event: str, **data: Any) -> None:
        """Add one event and force it to disk.

        Raises:
            UnwritableError: the disk is full; the journal is then as it was.
        """
        line = json.dumps({"event": event, "time": round(time.time(), 3), **data}, allow_nan=False)
        with _appending:
            append_line(self.path, line.encode())

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All events in order, or those of one kind; torn lines are left out. They are shared: change none.

        Raises:
            InputError: a line lacks what events of its kind have.
        """
        return [e for e in self._file.events() if kind in (None, e["event"])]

    def answered(self) -> bool:
        """Whether the run has a final verdict; an INADMISSIBLE one may be mended and asked for again."""
        return any(event["verdict"] != "INADMISSIBLE" for event in self.events("judged"))

    @contextmanager
    def held(self, wait: bool = False) -> Iterator[None]:
        """Hold this run, so that no other process works in it; the lock of a killed process is free again.

        Raises:
            InputError: another process is at work in it, and ``wait`` is not asked for.
        """
        busy = f"another process is at work in {self.folder}; wait for it, or leave --resume out"
        with exclusive_lock(self.folder, None if wait else busy):
            yield
