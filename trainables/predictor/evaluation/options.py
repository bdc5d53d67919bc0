"""What an evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.predictor.config import Structure
from trainables.predictor.scores import is_sampled

LOOK_WINDOWS = 160  # of validation speakers, for the curves of training; patience goes by the loss on more
_RANKED_WINDOWS = 320  # ... by which lanes are ranked where that takes sampled runs
_JUDGED_WINDOWS = 1024  # of test speakers, by which lanes are judged where it does


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What an evaluation measures beside the NLL of what follows, where a law has one."""

    # Of one step ahead, which way it goes and how far. A law that is known by its samples is asked dozens of
    # them for either, and one behind a map for the second.
    directions: bool = True
    magnitudes: bool = True
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


def look_options(structure: Structure, windows: int) -> EvaluationOptions:
    """What a look at validation speakers measures of so many windows: what lanes are ranked by, and the
    curves of their runs.
    """
    objective, own = structure.objective.removeprefix("-"), bool(structure.own_metrics)
    return EvaluationOptions(
        directions=own or not is_sampled(objective),
        magnitudes=own or objective == "log_magnitude_r2",
        sampled=is_sampled(objective),
        windows=windows,
    )


def sampled_runs(structure: Structure, windows: int) -> EvaluationOptions:
    """Sampled runs of so many windows, and nothing else that costs anything."""
    own = bool(structure.own_metrics)  # which may read whatever there is
    return EvaluationOptions(
        directions=own, magnitudes=own, free_running=False, sampled=True, windows=windows
    )


def ranked_windows(objective: str) -> int:
    """How many windows, evenly spread, rank lanes of such an objective on validation speakers; 0 = all."""
    return _RANKED_WINDOWS if is_sampled(objective) else 0


def judged_windows(objective: str) -> int:
    """How many windows, evenly spread, judge lanes of such an objective on test speakers; 0 = all."""
    return _JUDGED_WINDOWS if is_sampled(objective) else 0
