"""The end of a private Ray under a command: one sentence at once, where Ray would hang and then abort."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.runtime.descendants import descendants, kill_descendants
from orchestrator.runtime.exit_codes import ExitCode
from orchestrator.runtime.interrupts import interrupt_with
from trainables.errors import InputError

# The processes without which there is no Ray, as the system calls them, and what they do.
_NEEDED = {
    "gcs_server": "its control service (gcs_server)",
    "raylet": "its scheduler and object store (raylet)",
}
_BETWEEN = 1.0  # seconds between two looks at them
_PATIENCE = 10.0  # seconds that a call into Ray, which nothing interrupts, is waited for


class RayLostError(InputError):
    """A process of the private Ray has died, and the command with it."""


@contextmanager
def ended_with_ray() -> Iterator[None]:
    """Within the block, which begins where a private Ray has started, its loss is an error.

    Raises:
        RayLostError: Ray is lost; whatever else was raised since is its cause.
    """
    needed = {process: _NEEDED[name] for process in descendants() if (name := _name(process)) in _NEEDED}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_BETWEEN):
            if lost := _lost(needed):
                interrupt_with(lost)
                if not done.wait(_PATIENCE):
                    _end(lost)
                return

    threading.Thread(target=watch, name="watch over Ray", daemon=True).start()
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of Ray, which may notice first
        if lost := _lost(needed):
            raise lost from error
        raise
    finally:
        done.set()


def _end(lost: RayLostError) -> None:
    """End the process from a thread: the main one waits for a GCS that is gone, for a minute, and then Ray
    would abort it. What had finished was written when it did.
    """
    kill_descendants()
    os.write(2, f"error: {lost}\n".encode())
    os._exit(ExitCode.BAD_INPUT)


def _lost(needed: dict[int, str]) -> RayLostError | None:
    for process, what in needed.items():
        if _name(process) == "":
            return RayLostError(
                f"the Ray of this command has lost {what}, killed from outside or for want of memory; what "
                "had finished is kept: run the command again to go on, a sweep with --resume"
            )
    return None


def _name(process: int) -> str:
    """What the system calls a process; empty where it is no more."""
    try:
        before, _, after = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    except OSError:
        return ""
    return "" if after.split()[0] in "ZX" else before.partition("(")[2]
