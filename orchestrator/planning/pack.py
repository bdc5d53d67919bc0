"""Lanes that train together: what a trial is told, and all that it needs of a plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Pack:
    """Lanes of equal structure that train side by side in one program."""

    phase: str  # "explore", "confirm" or "ablate"
    arm: str
    number: int
    indexes: tuple[int, ...]  # of the lanes within their phase and arm
    configs: tuple[dict[str, Any], ...]  # flat settings, one per lane

    @property
    def name(self) -> str:
        """Unique within a sweep, and readable."""
        return f"{self.phase}-{self.arm}-{self.number}"

    @property
    def fingerprint(self) -> str:
        """Names the state of exactly these lanes, should their training be interrupted."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]

    def to_json(self) -> str:
        """The pack as text."""
        return json.dumps([self.phase, self.arm, self.number, self.indexes, self.configs], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Pack:
        """The inverse of :meth:`to_json`."""
        phase, arm, number, indexes, configs = json.loads(text)
        return cls(phase, arm, number, tuple(indexes), tuple(configs))


def cut(pack: Pack, parts: int) -> list[Pack]:
    """A pack cut into so many of about equal size, where it has lanes for them."""
    parts = max(1, min(parts, len(pack.indexes)))
    cuts = [round(i * len(pack.indexes) / parts) for i in range(parts + 1)]
    return [
        replace(pack, number=number, indexes=pack.indexes[a:b], configs=pack.configs[a:b])
        for number, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False), pack.number)
    ]
