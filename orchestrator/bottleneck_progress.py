"""What the training of a bottleneck shows: a bar in a terminal, a line per tenth of the epochs elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.progress import duration


class BottleneckProgress:
    """Counts epochs; the time left is at most what it says, since training may end before its last."""

    def __init__(self, name: str, epochs: int, console: Console) -> None:
        self._name, self._epochs, self._console = name, epochs, console
        self._first: tuple[int, float] | None = None
        self._bar = Progress(
            TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[found]}"),
            TextColumn("at most"), TimeRemainingColumn(), console=console, disable=not console.is_terminal,
            transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(name, total=epochs, found="starting Ray")

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal:
            self._say(f"training {self._name}, at most {self._epochs} epochs")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def advance(self, progress: Mapping[str, Any]) -> None:
        """An epoch is over."""
        done = progress["epoch"] + 1
        if self._first is None:  # of an earlier run's epochs nothing is known but their number
            self._first = done - 1, time.monotonic() - progress["seconds"]
        found = f"relative error {progress['validation']['relative_error']:.3f}"
        self._bar.update(self._task, completed=done, found=found)
        before = 10 * (done - 1) // self._epochs
        if not self._console.is_terminal and (10 * done // self._epochs > before or done == 1):
            self._say(f"epoch {done} of {self._epochs}, {found}, at most {self._left(done)} left")

    def _left(self, done: int) -> str:
        assert self._first is not None
        epochs, began = self._first
        return duration((time.monotonic() - began) / (done - epochs) * (self._epochs - done))

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)
