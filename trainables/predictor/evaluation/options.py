"""What an evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.predictor.scores import is_sampled

_JUDGED_WINDOWS = 1024  # by which lanes are judged where that takes sampled runs


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What an evaluation measures beside what one step ahead says."""

    # Free runs from every window, by the structure's feedback rule.
    free_running: bool = True
    # The injection diagnostic: the same runs, put back to the true state after some steps.
    inject: bool = False
    # Proper scores of sampled runs, whatever the structure feeds back.
    sampled: bool = False
    # At most so many windows of each shard, evenly spread; 0 = all of them.
    windows: int = 0


ONE_STEP = EvaluationOptions(free_running=False)
FREE_RUNS = EvaluationOptions()
EVERYTHING = EvaluationOptions(inject=True, sampled=True)


def judged_windows(objective: str) -> int:
    """How many windows, evenly spread, judge lanes of such an objective on test speakers; 0 = all of them."""
    return _JUDGED_WINDOWS if is_sampled(objective) else 0
