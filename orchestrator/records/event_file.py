"""The events of a file of JSON lines that grows: every line is parsed once, however often it is asked for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakValueDictionary

from trainables.errors import InputError

_TAIL = 64  # bytes ahead of what is new, by which a file is known to be the one that was read


class EventFile:
    """The events of one file, of which only what was appended since the last look is read.

    A file that is shorter than it was, or another one, is read from its start.

    Args:
        required: the keys that events of a kind have to have.
    """

    def __init__(self, path: Path, required: Mapping[Any, set[str]]) -> None:
        self._path, self._required = path, required
        self._lock = threading.Lock()
        self._tail = b""
        self._forget()

    def events(self) -> list[dict[str, Any]]:
        """All events in order, for reading only; lines that are no JSON are left out.

        Raises:
            InputError: a line lacks what events of its kind have.
        """
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    new = self._new(file)
            except FileNotFoundError:
                self._forget()
                return []
            whole, rest = new[: new.rfind(b"\n") + 1], new[new.rfind(b"\n") + 1 :]
            lines = whole.splitlines()
            self._events += self._parsed(lines)
            self._lines += len(lines)
            self._offset += len(whole)
            self._tail = (self._tail + whole[-_TAIL:])[-_TAIL:]
            # A last line without its end may be whole all the same; it is looked at again.
            return [*self._events, *self._parsed(rest.splitlines())]

    def _forget(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._lines = self._offset = 0
        self._tail = b""
        self._stamp = (0, 0, 0)  # inode, size and time of change at the last look

    def _new(self, file: BinaryIO) -> bytes:
        """What the file holds beyond the lines that were read."""
        status = os.fstat(file.fileno())
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp != self._stamp:
            file.seek(max(0, self._offset - len(self._tail)))
            grown = stamp[0] == self._stamp[0] and stamp[1] > self._stamp[1]
            if not grown or file.read(len(self._tail)) != self._tail:
                self._forget()
        self._stamp = stamp
        file.seek(self._offset)
        return file.read()

    def _parsed(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        events = []
        for number, line in enumerate(lines, self._lines + 1):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if not isinstance(event, dict) or not (
                self._required.get(event.get("event"), {"event"}) <= event.keys()
            ):
                raise InputError(f"line {number} of {self._path} is no event of a sweep; run its sweep anew")
            events.append(event)
        return events


# As long as one of its users lives, all of a process share what was read of a file.
_open: WeakValueDictionary[Path, EventFile] = WeakValueDictionary()
_opening = threading.Lock()


def event_file(path: Path, required: Mapping[Any, set[str]]) -> EventFile:
    """The events of a file, the same object for all who use that file at one time."""
    place = path.resolve()
    with _opening:
        known = _open.get(place)
        if known is None:
            known = _open[place] = EventFile(path, required)
        return known
