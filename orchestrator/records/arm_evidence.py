"""From the journal's lines and the stored results of lanes to the evidence of an arm.

Pure functions: the evidence depends on nothing else, and their code is a part of the version of the judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.records.evidence import ArmEvidence, Exploration, Replicate
from orchestrator.records.phase import Phase
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import NULLS, PLANTS, Surrogate
from trainables.predictor.scores import LaneStatus, Scores

Event = Mapping[str, Any]  # a "finished" line of the journal
Place = tuple[str, str, int]  # phase, arm, index: where a lane stands in a sweep
ResultOf = Callable[[str], Mapping[str, Any] | None]  # the stored result of a lane, by its key


def place_of(event: Event) -> Place:
    """The place of a lane in its sweep."""
    return event["phase"], event["arm"], event["index"]


def lanes_of(events: Iterable[Event], phase: Phase, arm: str) -> list[Event]:
    """The last line of every lane of one phase and arm, in the order of their indexes."""
    last = {place_of(event): event for event in events}
    return [last[place] for place in sorted(last) if place[:2] == (phase, arm)]


def lane_outcome(
    result: Mapping[str, Any], metric: str, *, planted: bool = False
) -> tuple[LaneStatus, float | None]:
    """Status and objective of a lane; one whose objective is not a finite number has diverged.

    On plants only free runs are measured: a lane that has no such objective has not diverged for that.

    Raises:
        KeyError: the metric was not measured, and the lane is not ``planted``.
    """
    if result["status"] == LaneStatus.DIVERGED or result["scores"] is None:
        return LaneStatus.DIVERGED, None
    try:
        value = Scores.from_json(result["scores"]).value(metric)
    except KeyError:
        if not planted:
            raise
        return LaneStatus(result["status"]), None
    return (LaneStatus(result["status"]), value) if math.isfinite(value) else (LaneStatus.DIVERGED, None)


def explorations(events: Iterable[Event], arm: str) -> list[Exploration]:
    """The finished explorations of an arm, in order."""
    return [
        Exploration(
            index=e["index"],
            config=LaneConfig.of(e["config"]),
            objective=e["objective"],
            status=LaneStatus(e["status"]),
            seconds=e["seconds"],
        )
        for e in lanes_of(events, Phase.EXPLORE, arm)
    ]


def arm_evidence(
    arm: str, winner: LaneConfig, seeds: Sequence[int], events: Iterable[Event], result_of: ResultOf
) -> ArmEvidence:
    """What is recorded of an arm, with its replicates on the given seeds and all of its nulls and plants."""
    events = list(events)
    confirmed = [replicate(event, result_of(event["key"])) for event in lanes_of(events, Phase.CONFIRM, arm)]
    return ArmEvidence(
        name=arm,
        config=winner,
        explored=explorations(events, arm),
        replicates=[r for r in confirmed if r.surrogate == Surrogate.REAL and r.seed in seeds],
        nulls=[r for r in confirmed if r.surrogate in NULLS],
        plants=[r for r in confirmed if r.surrogate in PLANTS],
    )


def replicate(event: Event, result: Mapping[str, Any] | None) -> Replicate:
    """A confirmed or ablated lane; without scores where it diverged, or where its result is lost."""
    diverged = result is None or event["status"] == LaneStatus.DIVERGED
    return Replicate(
        seed=event["config"]["seed"],
        surrogate=Surrogate(event["config"]["surrogate"]),
        status=LaneStatus(event["status"]),
        scores=None if diverged or result is None else result["scores"],
        history=result["history"] if result else [],
        parameters=result["parameters"] if result else 0,
        key=event["key"],
        courses=result.get("courses", {}) if result else {},
        details=result.get("details", {}) if result else {},
    )
