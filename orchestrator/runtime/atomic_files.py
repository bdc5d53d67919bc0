"""Files and folders that other processes may be at at the same time: written whole, and held by one."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.errors import InputError


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write under another name and rename: a reader, or a kill, never meets half a file. Text is UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextmanager
def exclusive_lock(path: Path, busy: str | None = None) -> Iterator[None]:
    """Keep every other process out of what ``path``, which exists, stands for; a killed one lets go of it.

    Raises:
        InputError: another process holds it; the sentence is ``busy``, and without one it is waited for.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        _lock(handle, busy)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, busy: str | None) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
    except BlockingIOError:
        raise InputError(busy) from None
