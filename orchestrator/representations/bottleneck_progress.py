"""The progress of training a bottleneck: a bar in a terminal, elsewhere a line per tenth of the epochs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from orchestrator.runtime.durations import duration
from orchestrator.runtime.progress_bar import ProgressBar


class BottleneckProgress(ProgressBar):
    """Shows epochs and the most time that may be left, since training may end before its last epoch."""

    def __init__(self, name: str, epochs: int, console: Console) -> None:
        super().__init__(console, name, epochs, "at most", f"training {name}, at most {epochs} epochs")
        self._epochs = epochs
        self._first: tuple[int, float] | None = None

    def advance(self, progress: Mapping[str, Any]) -> None:
        """Show that an epoch is over; ``progress`` holds its number, seconds and validation error."""
        done = progress["epoch"] + 1
        if self._first is None:  # of the epochs of an earlier run only the number is known
            self._first = done - 1, time.monotonic() - progress["seconds"]
        error = f"relative error {progress['validation']['relative_error']:.3f}"
        self.show(done, error)
        before = 10 * (done - 1) // self._epochs
        if 10 * done // self._epochs > before or done == 1:
            self.line(f"epoch {done} of {self._epochs}, {error}, at most {self._left(done)} left")

    def _left(self, done: int) -> str:
        assert self._first is not None
        epochs, began = self._first
        return duration((time.monotonic() - began) / (done - epochs) * (self._epochs - done))
