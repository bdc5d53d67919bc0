"""Files and folders that several processes use at once: written whole, and held by one of them."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.runtime.disk_space import writing
from trainables.errors import InputError


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write under another name and rename, so that nobody ever reads half a file; text is UTF-8.

    Raises:
        UnwritableError: there is no room for it, or it may not be written.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with writing(path, len(raw)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(raw)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and force it to disk, on a new line where a kill has torn the last one.

    Raises:
        UnwritableError: there is no room for it, or it may not be written; the file is then as it was.
    """
    with writing(path, len(line)), path.open("ab", buffering=0) as log:
        before = log.tell()
        text = (b"\n" if _is_torn(path) else b"") + line + b"\n"
        try:
            while text:
                text = text[log.write(text) :]
            os.fsync(log.fileno())
        except OSError:
            log.truncate(before)
            raise


def _is_torn(path: Path) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as log:
        log.seek(-1, os.SEEK_END)
        return log.read(1) != b"\n"


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
