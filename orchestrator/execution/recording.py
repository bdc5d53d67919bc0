"""The record in MLflow, kept beside the work: no store that is slow, full or gone holds a sweep up."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.execution.mlflow_store import first_line, import_mlflow
from orchestrator.execution.run_mirror import STOPPED, RunMirror
from orchestrator.records.journal import RESUME, Journal
from orchestrator.runtime.disk_space import unwritable
from orchestrator.runtime.interrupts import signal_name, uninterrupted
from orchestrator.runtime.secrets import without_passwords
from trainables.errors import InputError

_BETWEEN = 1.0  # seconds between two looks at what is new
_LATER, _LATEST = 5.0, 60.0  # seconds until a store that has failed is tried again, at first and at last
# Seconds for which the end waits: in all, for a store that takes nothing, and for one where a full disk ended
# the work, which is likely to be the store's as well.
_LONGEST, _STALLED, _FULL = 120.0, 20.0, 2.0


class SweepRecording:
    """Copies run folders to MLflow, from a thread of its own and as they grow.

    A context manager. Its end waits for what is not yet in MLflow, but not for long; what is still missing
    then is said in one sentence, with the command that records it later. Nothing that MLflow does is raised.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._mirrors: dict[Path, RunMirror] = {}
        self._changed, self._ending, self._given_up = (threading.Event() for _ in range(3))
        self._problem: Exception | None = None  # of the last look
        self._warned = False
        self._last_success = 0.0  # time.monotonic()
        self._thread = threading.Thread(target=self._work, name="recording", daemon=True)

    def __enter__(self) -> Self:
        import_mlflow()  # here, and not in the thread while this one imports the same packages
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._changed.set()
        with uninterrupted():
            self._wait(_STALLED if error is None or unwritable(error) is None else _FULL)
        for mirror in self._mirrors.values():
            if mirror.is_missing():
                reason = first_line(self._problem) if self._problem else "it does not answer"
                self._tell(
                    f"not all of {mirror.folder} is in MLflow ({reason}); run "
                    f"`python -m orchestrator.report {shlex.quote(str(mirror.folder))} --record` later"
                )

    @contextmanager
    def of(self, folder: Path) -> Iterator[None]:
        """Record a run folder; an error or an interrupt that ends the block is the end of the run."""
        mirror = self._mirrors[folder] = RunMirror(folder)
        try:
            yield
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            reason = f"stopped by {signal_name(error)}; {RESUME}" if interrupted else _words(error)
            mirror.stopped = {"reason": reason, "interrupted": interrupted}
            with suppress(OSError, InputError):  # a full disk must not hide what happened first
                Journal(folder).append(STOPPED, **mirror.stopped)
            raise
        finally:
            self._changed.set()

    def changed(self) -> None:
        """Say that a run folder holds something new."""
        self._changed.set()

    def where(self, folder: Path) -> str:
        """Lines for the user, once the end has come: where a run is in MLflow; none where it is not."""
        return self._mirrors[folder].where() if self._mirrors[folder].is_closed else ""

    def _wait(self, stalled: float) -> None:
        """Wait while the store takes something, but never long; it may take nothing for so many seconds."""
        begun = self._last_success = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(timeout=0.05)
            now = time.monotonic()
            if now > begun + _LONGEST or now > self._last_success + stalled:
                break
        self._given_up.set()

    def _work(self) -> None:
        pause = _LATER
        while not self._given_up.is_set():
            ending = self._ending.is_set()  # asked first: what is new by then is looked at below
            self._problem = self._update_all()
            if ending and not self._problem:
                return
            if ending:
                self._given_up.wait(_BETWEEN)
            elif self._problem:
                self._ending.wait(pause)
                pause = min(2 * pause, _LATEST)
            else:
                pause = _LATER
                self._changed.wait()
                self._changed.clear()
                self._ending.wait(_BETWEEN)

    def _update_all(self) -> Exception | None:
        """Look at all run folders once; return what went wrong."""
        failed = None
        for mirror in list(self._mirrors.values()):
            try:
                mirror.update(self._on_success)
            except Exception as problem:
                failed = problem
        if failed and not self._warned:
            self._warned = True
            self._tell(f"MLflow takes no record now ({first_line(failed)}); it is tried again")
        return failed

    def _on_success(self) -> None:
        self._last_success = time.monotonic()

    def _tell(self, text: str) -> None:
        with suppress(OSError):  # of a terminal that was closed
            self._say(text)


def _words(error: BaseException) -> str:
    return without_passwords(f"{type(error).__name__}: {error}")
