"""Files and folders that other processes may be at at the same time: written whole, and held by one."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> Path:
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
def alone(path: Path, *, wait: bool) -> Iterator[None]:
    """Keep every other process out of what ``path``, which exists, stands for; a killed one lets go of it.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is not asked for.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
