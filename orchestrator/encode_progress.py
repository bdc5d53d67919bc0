"""What an encoding shows while it runs: a bar in a terminal, a line per tenth of the work elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.progress import duration


class EncodeProgress:
    """Counts recordings; speed is in seconds of speech per second."""

    def __init__(self, total: int, console: Console) -> None:
        self._total, self._done, self._seconds = total, 0, 0.0
        self._console = console
        self._started = time.monotonic()
        self._bar = Progress(
            TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
            TextColumn("time left"), TimeRemainingColumn(), console=console, disable=not console.is_terminal,
            transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("encoding", total=total, speed="starting Ray")

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal:
            self._console.print(f"encoding {self._total} recordings")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    @property
    def speed(self) -> float:
        """Seconds of speech encoded per second since the start."""
        return self._seconds / max(1e-9, time.monotonic() - self._started)

    def advance(self, recordings: int, seconds: float) -> None:
        """So many recordings are behind us, with so many seconds of speech."""
        tenths = 10 * self._done // self._total
        self._done, self._seconds = self._done + recordings, self._seconds + seconds
        self._bar.update(self._task, completed=self._done, speed=f"{self.speed:.0f} x real time")
        if not self._console.is_terminal and 10 * self._done // self._total > tenths:
            left = (time.monotonic() - self._started) * (self._total / self._done - 1)
            self._console.print(
                f"{self._done} of {self._total}, {self.speed:.0f} x real time, {duration(left)} left", highlight=False
            )
