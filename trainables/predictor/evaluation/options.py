"""What an evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass


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
