"""What the training of a bottleneck shows: a bar in a terminal, a line per tenth of the epochs elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from orchestrator.runtime.durations import duration
from orchestrator.runtime.progress_bar import ProgressBar


class BottleneckProgress(ProgressBar):
    """Counts epochs; the time left is at most what it says, since training may end before its last."""

    def __init__(self, name: str, epochs: int, console: Console) -> None:
        super().__init__(console, name, epochs, "at most", f"training {name}, at most {epochs} epochs")
        self._epochs = epochs
        self._first: tuple[int, float] | None = None

    def advance(self, progress: Mapping[str, Any]) -> None:
        """An epoch is over."""
        done = progress["epoch"] + 1
        if self._first is None:  # of an earlier run's epochs nothing is known but their number
            self._first = done - 1, time.monotonic() - progress["seconds"]
        found = f"relative error {progress['validation']['relative_error']:.3f}"
        self.show(done, found)
        before = 10 * (done - 1) // self._epochs
        if 10 * done // self._epochs > before or done == 1:
            self.line(f"epoch {done} of {self._epochs}, {found}, at most {self._left(done)} left")

    def _left(self, done: int) -> str:
        assert self._first is not None
        epochs, began = self._first
        return duration((time.monotonic() - began) / (done - epochs) * (self._epochs - done))
