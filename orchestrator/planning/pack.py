"""Lanes that train together: what a trial is told, and all that it needs of a plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from orchestrator.records.phase import Phase
from trainables.lane_config import LaneConfig


@dataclass(frozen=True)
class Pack:
    """Lanes of equal structure that train side by side in one program."""

    phase: Phase
    arm: str
    number: int
    # Of the lanes within their phase and arm; ~i, which is negative, trains lane i on a second seed.
    indexes: tuple[int, ...]
    configs: tuple[LaneConfig, ...]  # one per lane

    @property
    def name(self) -> str:
        """A name that is unique within a sweep, and readable."""
        return f"{self.phase}-{self.arm}-{self.number}"

    def place(self, position: int) -> tuple[Phase, str, int]:
        """The phase, arm and index under which a lane of the pack is recorded."""
        index = self.indexes[position]
        return (self.phase, self.arm, index) if index >= 0 else (Phase.REPEAT, self.arm, ~index)

    @property
    def fingerprint(self) -> str:
        """Names the state of exactly these lanes, should their training be interrupted."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]

    def to_json(self) -> str:
        """The pack as text."""
        configs = [config.to_json() for config in self.configs]
        return json.dumps([self.phase, self.arm, self.number, self.indexes, configs], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Pack:
        """The pack that :meth:`to_json` wrote.

        Raises:
            InputError: a lane's settings are wrong.
        """
        phase, arm, number, indexes, configs = json.loads(text)
        return cls(Phase(phase), arm, number, tuple(indexes), tuple(map(LaneConfig.of, configs)))


def cut(pack: Pack, parts: int) -> list[Pack]:
    """A pack cut into the given number of packs of about equal size, or into one per lane if it has fewer."""
    parts = max(1, min(parts, len(pack.indexes)))
    cuts = [round(i * len(pack.indexes) / parts) for i in range(parts + 1)]
    return [
        replace(pack, number=number, indexes=pack.indexes[a:b], configs=pack.configs[a:b])
        for number, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False), pack.number)
    ]
