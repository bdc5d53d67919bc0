"""What Tune would tell of packs in tracebacks, in a sentence: a lost process, machines that do not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray import tune

from orchestrator.planning.pack import Pack
from orchestrator.runtime.ray_internals import unmet_demands

_PATIENCE = 60.0  # seconds
_BETWEEN = 10.0  # seconds between two questions to Ray


class PackWatch(tune.Callback):
    """Says when a pack has lost its process, and when what was asked of Ray has not come for a minute."""

    def __init__(self, say: Callable[[str], None], ask: Callable[[], str] = unmet_demands) -> None:
        self._say, self._ask = say, ask
        self._asked = time.monotonic()
        self._waiting_since: float | None = None
        self._said = False

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Ask Ray from time to time what it cannot place."""
        now = time.monotonic()
        if self._said or now - self._asked < _BETWEEN:
            return
        self._asked = now
        waiting = self._ask()
        if not waiting:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since >= _PATIENCE - _BETWEEN:
            self._said = True
            self._say(f"machines that were asked for have not come for a minute; Ray says: {waiting}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a pack is trained again."""
        name = Pack.from_json(trial.config["pack"]).name
        self._say(f"the process that trained pack {name} was lost; the pack goes on in another one")

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles callbacks for restore files that nobody reads; a terminal cannot be pickled.
        return {}
