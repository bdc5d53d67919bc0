"""The progress of an encoding: a bar in a terminal, elsewhere a line per tenth of the work."""

from __future__ import annotations

import time

from rich.console import Console

from orchestrator.runtime.durations import duration
from orchestrator.runtime.progress_bar import ProgressBar


class EncodeProgress(ProgressBar):
    """Shows how many recordings are encoded, and the speed, from the seconds of ``speech`` so far."""

    def __init__(self, total: int, console: Console) -> None:
        super().__init__(console, "encoding", total, "time left", f"encoding {total} recordings")
        self._total, self._done, self._encoded, self.speech = total, 0, 0, 0.0
        self._started = self._began = time.monotonic()

    def begin(self) -> None:
        """Start the clock of the speed; the time that Ray took to start says nothing about the time left."""
        self._began = time.monotonic()

    @property
    def under_way(self) -> float:
        """The seconds since :meth:`begin`."""
        return time.monotonic() - self._began

    def advance(self, encoded: int, seconds: float, failed: int) -> None:
        """Count ``encoded`` more recordings with ``seconds`` of speech in all, and ``failed`` ones."""
        tenths = 10 * self._done // self._total
        self._encoded, self.speech = self._encoded + encoded, self.speech + seconds
        self._done += encoded + failed
        self.show(self._done, self._speed())
        if 10 * self._done // self._total > tenths:
            self.line(f"{self._done} of {self._total}, {self._speed()}, {self._left()}")

    def summary(self) -> str:
        """A sentence on what was encoded, how long it took and how fast it was."""
        return (
            f"encoded {self._encoded} of {self._total} recordings, {self.speech / 3600:.2f} h of speech, "
            f"in {duration(time.monotonic() - self._started)} ({self._speed()} once under way)"
        )

    def _speed(self) -> str:
        return f"{self.speech / max(1e-9, self.under_way):.0f} x real time"

    def _left(self) -> str:
        left = self.under_way * (self._total / self._done - 1)
        return f"{duration(left)} left"
