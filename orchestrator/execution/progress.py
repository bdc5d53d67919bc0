"""What a sweep shows while it runs: a live table in a terminal, elsewhere a line per tenth of the work."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.planning.pack import Pack
from orchestrator.records.phase import Phase
from orchestrator.runtime.durations import duration

_FEWEST = 0.02  # the share of a phase that says how long the rest will take


@dataclass(kw_only=True)
class _PhaseProgress:
    phase: Phase
    packs: dict[str, int]  # packs to train, by arm
    objective: str
    started: float = field(default_factory=time.monotonic)
    done: dict[str, int] = field(default_factory=dict)  # packs trained, by arm
    # By name of the pack: the pack, the share of it that is done, and its state in words.
    running: dict[str, tuple[Pack, float, str]] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)  # objective, by arm
    diverged: int = 0  # lanes
    due: float = _FEWEST  # the share at which the next line is due, where there is no live table

    @property
    def ended(self) -> bool:
        """Whether every pack of the phase is trained."""
        return sum(self.done.values()) == sum(self.packs.values())

    @property
    def share(self) -> float:
        """The share of the phase that is done, 0 to 1."""
        ahead, done = sum(self.packs.values()), sum(self.done.values())
        return (done + sum(share for _, share, _ in self.running.values())) / max(1, ahead)

    def time_left(self) -> str:
        """The time left in words, once enough is done to estimate it."""
        if self.share < _FEWEST:
            return "time left not yet known"
        seconds = (time.monotonic() - self.started) * (1 / self.share - 1)
        return f"about {duration(seconds)} left"


class Progress:
    """Shows phases, packs and the best objective of each arm."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._phase: _PhaseProgress | None = None

    def say(self, text: str) -> None:
        """Print a line that stays on the screen."""
        self._console.print(text, markup=False)

    def begin(self, phase: Phase, packs: Mapping[str, int], objective: str) -> None:
        """Start to show a phase; ``packs`` says how many packs it has to train, by arm."""
        self.end()
        self._phase = _PhaseProgress(phase=phase, packs=dict(packs), objective=objective)
        if self._console.is_terminal and sum(packs.values()) > 0:
            self._live = Live(self._table(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def started(self, pack: Pack) -> None:
        """Show that a pack was given to Ray."""
        if self._phase:
            self._phase.running[pack.name] = (pack, 0.0, "starting")
            self._refresh()

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        """Show that a pack has finished an epoch."""
        if self._phase:
            done, epochs = progress["epoch"] + 1, progress["epochs"]
            words = f"epoch {done} of {epochs} ({progress['phase']})"
            self._phase.running[pack.name] = (pack, done / (epochs + 1), words)
            self._refresh()
            self._log()

    def finished(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        """Show that a pack has finished, with the objectives of its lanes."""
        phase = self._phase
        if not phase:
            return
        phase.running.pop(pack.name, None)
        phase.done[pack.arm] = phase.done.get(pack.arm, 0) + 1
        phase.diverged += sum(o is None for o in objectives)
        measured = [o for o in objectives if o is not None]
        if measured:
            phase.best[pack.arm] = max([*measured, phase.best.get(pack.arm, measured[0])])
        self._refresh()
        self._log()

    def end(self) -> None:
        """Stop showing the phase, however it ended."""
        if self._live:
            self._live.stop()
        self._live = self._phase = None

    def _log(self) -> None:
        """Where there is no live table, print a line as soon as the time left is known, and at every tenth:
        packs may be few and long.
        """
        phase = self._phase
        assert phase is not None
        if self._live or (phase.share < phase.due and not phase.ended):
            return
        phase.due = (math.floor(10 * phase.share + 1e-9) + 1) / 10
        packs = f"{sum(phase.done.values())} of {sum(phase.packs.values())} packs"
        left = "" if phase.ended else f", {phase.time_left()}"
        self.say(f"{phase.phase}: {100 * phase.share:.0f} %, {packs}{self._standing()}{left}")

    def _standing(self) -> str:
        assert self._phase is not None
        best = [f"{arm} {value:.3f}" for arm, value in sorted(self._phase.best.items())]
        diverged = f"; {self._phase.diverged} diverged" if self._phase.diverged else ""
        return (f", best {self._phase.objective}: {', '.join(best)}" if best else "") + diverged

    def _refresh(self) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Group:
        phase = self._phase
        assert phase is not None
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("arm", "packs", f"best {phase.objective}", "now"):
            table.add_column(column)
        for arm, packs in phase.packs.items():
            now = [words for pack, _, words in phase.running.values() if pack.arm == arm]
            best = f"{phase.best[arm]:.3f}" if arm in phase.best else "-"
            table.add_row(arm, f"{phase.done.get(arm, 0)}/{packs}", best, "; ".join(now) or "waiting")
        line = f"{phase.phase}: {100 * phase.share:.0f} %, {phase.time_left()}"
        return Group(Text(line + (f"; {phase.diverged} lanes diverged" if phase.diverged else "")), table)
