"""Files and folders that several processes use at once: written whole, and held by one of them."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.errors import InputError


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write under another name and rename, so that nobody ever reads half a file; text is UTF-8."""
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
    """Hold the lock on ``path``, a file or folder that exists; the lock of a killed process is free again.

    Args:
        busy: the sentence for a user where another process holds the lock; without one, wait for it.

    Raises:
        InputError: another process holds the lock, and ``busy`` is given.
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
