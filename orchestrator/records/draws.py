"""What a search has drawn for every pack, kept in the journal: a resumed search need not draw it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from orchestrator.records.journal import Journal

DRAWN = "drawn"  # an event of the journal


class Draws(Protocol):
    """A memory of what the packs of one arm were drawn as."""

    def of(self, pack: int) -> Sequence[Mapping[str, Any]] | None:
        """The searched settings of each lane of a pack; None where it was never drawn."""

    def keep(self, pack: int, settings: Sequence[Mapping[str, Any]]) -> None:
        """Remember them."""


class NoDraws:
    """A memory that keeps nothing."""

    def of(self, pack: int) -> None:
        """Nothing was ever drawn."""

    def keep(self, pack: int, settings: Sequence[Mapping[str, Any]]) -> None:
        """Forget it."""


class JournalledDraws:
    """The draws of an arm in the journal of its sweep, one line for each pack."""

    def __init__(self, journal: Journal, arm: str) -> None:
        self._journal, self._arm = journal, arm
        drawn = [event for event in journal.events(DRAWN) if event["arm"] == arm]
        self._settings = {event["pack"]: event["settings"] for event in drawn}

    def of(self, pack: int) -> Sequence[Mapping[str, Any]] | None:
        """The searched settings of each lane of a pack; None where it was never drawn."""
        return self._settings.get(pack)

    def keep(self, pack: int, settings: Sequence[Mapping[str, Any]]) -> None:
        """Enter them in the journal."""
        self._journal.append(DRAWN, arm=self._arm, pack=pack, settings=[dict(lane) for lane in settings])
        self._settings[pack] = settings
