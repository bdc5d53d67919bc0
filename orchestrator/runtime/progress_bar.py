"""The progress of a command that counts something: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """A bar up to ``total`` with a text beside it; without a terminal, ``opening`` is printed first."""

    def __init__(self, console: Console, name: str, total: int, left: str, opening: str) -> None:
        self._console, self._opening = console, opening
        self._bar = Progress(
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TextColumn(left),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total, text="starting Ray")

    def __enter__(self) -> Self:
        self._bar.start()
        self.line(self._opening)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, done: int, text: str) -> None:
        """Update the bar, in a terminal only."""
        self._bar.update(self._task, completed=done, text=text)

    def line(self, text: str) -> None:
        """Print a line, where there is no terminal."""
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False)
