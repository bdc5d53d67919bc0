"""Lanes that share no program, trained one after the other: all that a cheap trainable needs of a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from trainables.predictor.scores import LaneStatus
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import Context


def train_one_by_one(
    lanes: Sequence[Any], context: Context, train_lane: Callable[[Any], LaneResult]
) -> list[LaneResult]:
    """Train each lane by itself, able to stop after any of them and go on.

    Args:
        lanes: what each lane has of its own.
        context: where they run.
        train_lane: trains one; it may depend on its lane alone. Its seconds are measured here.
    """
    saved = context.restore()
    done = [] if saved is None else [_from_state(state) for state in saved["done"]]
    for number, lane in enumerate(lanes[len(done) :], len(done)):
        started = time.perf_counter()
        result = train_lane(lane)
        done.append(replace(result, seconds=time.perf_counter() - started))
        progress = {"epoch": number, "epochs": len(lanes), "phase": "lanes"}
        context.report(progress, {"done": [{**each.to_json(), "state": each.state} for each in done]})
    return done


def _from_state(state: dict[str, Any]) -> LaneResult:
    return LaneResult(**{**state, "status": LaneStatus(state["status"])})
