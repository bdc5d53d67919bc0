"""What training leaves of a lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from trainables.predictor.scores import LaneStatus


@dataclass(kw_only=True)
class LaneResult:
    """What training leaves of one lane.

    Attributes:
        status: how it ended.
        scores: of the last evaluation, as :meth:`Scores.to_json` has them; None where the lane diverged.
        history: what is known of each epoch, in order.
        courses: of each phase, when it cooled and when it was best (:class:`Course`).
        parameters: how many numbers it learns.
        seconds: its share of the time that the pack trained.
        state: its weights, on the CPU; those of a predictor under the names of a solo one.
        details: plain data that only a report shows, such as a picture's points.
    """

    status: LaneStatus
    scores: dict[str, Any] | None
    history: list[dict[str, Any]]
    parameters: int
    seconds: float
    courses: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights, as plain values."""
        names = ("scores", "history", "courses", "parameters", "seconds", "details")
        return {"status": str(self.status), **{name: getattr(self, name) for name in names}}
