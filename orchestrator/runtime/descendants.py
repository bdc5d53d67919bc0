"""The processes that this one has started, and those that they have: Linux names the parent of each."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from contextlib import suppress
from pathlib import Path


def descendants(of: int | None = None) -> list[int]:
    """The ids of all processes below one, children before theirs; by default below this one."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # After the name, which is in brackets and may itself hold some: state, then the parent.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children[parent].append(int(entry.name))
    found, ahead = [], [os.getpid() if of is None else of]
    while ahead:
        below = children[ahead.pop(0)]
        found += below
        ahead += below
    return found


def kill_descendants() -> None:
    """Kill all processes below this one, such as a private Ray and its workers."""
    for process in descendants():
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
