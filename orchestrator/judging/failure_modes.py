"""How a rollout fails, step by step: the research document's failure modes, with thresholds as data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """A region of (direction cosine, magnitude ratio); lower bounds are included, upper bounds are not."""

    letter: str
    name: str
    cosine: tuple[float, float] = (-math.inf, math.inf)
    ratio: tuple[float, float] = (-math.inf, math.inf)

    def holds(self, cosine: float, ratio: float) -> bool:
        """Whether a point of direction cosine and magnitude ratio lies in this region."""
        return self.cosine[0] <= cosine < self.cosine[1] and self.ratio[0] <= ratio < self.ratio[1]


MODES = (
    Mode("A", "stationary", ratio=(-math.inf, 0.1)),
    Mode("C", "directionless", cosine=(-math.inf, 0.1), ratio=(0.5, math.inf)),
    Mode("B", "slow but correct", cosine=(0.3, math.inf), ratio=(0.1, 0.9)),
    Mode("T", "tracking", cosine=(0.3, math.inf), ratio=(0.9, math.inf)),
)
MIXED = Mode("m", "mixed")
UNKNOWN_MODE = Mode("?", "not measured")


def failure_mode(cosine: float, ratio: float) -> Mode:
    """The failure mode of one rollout step, from its direction cosine and its magnitude ratio.

    A rollout that stands still has no direction, so mode A needs no cosine.
    """
    if math.isnan(ratio) or (math.isnan(cosine) and ratio >= MODES[0].ratio[1]):
        return UNKNOWN_MODE
    return next(
        (mode for mode in MODES if mode.holds(-math.inf if math.isnan(cosine) else cosine, ratio)), MIXED
    )
