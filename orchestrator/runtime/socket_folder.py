"""A folder for Ray's sockets whose path is short enough: Unix sockets have names of 107 bytes at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

_LONGEST = 36  # bytes; Ray adds ray/session_<date>_<microseconds>_<pid>/sockets/plasma_store
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")
_VARIABLE = "RAY_TMPDIR"


@contextmanager
def short_socket_folder() -> Iterator[None]:
    """Within the block a Ray that is started has its sockets where their names fit, whatever TMPDIR says."""
    asked = os.environ.get(_VARIABLE) or os.environ.get("TMPDIR") or _SHORT[0]
    folder = next((folder for folder in _SHORT if os.access(folder, os.W_OK | os.X_OK)), None)
    if len(os.fsencode(asked)) <= _LONGEST or folder is None:
        yield
        return
    name = _VARIABLE if os.environ.get(_VARIABLE) else "TMPDIR"
    typer.echo(f"{name} is {asked}, too long for Unix sockets; Ray keeps its own in {folder}/ray", err=True)
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
