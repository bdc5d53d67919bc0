"""The exploration of all arms, and what says afterwards how far it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.execution.exploration_file import (
    ExploredArm,
    importances,
    write_exploration,
)
from orchestrator.execution.search import ArmSearch
from orchestrator.judging.search_reliability import Reliability, agreement_of_halves, agreement_of_seeds
from orchestrator.lifecycle.sweep_tools import SweepTools
from orchestrator.planning.plan import Plan
from orchestrator.records.arm_evidence import Event
from orchestrator.records.draws import JournalledDraws
from orchestrator.records.phase import Phase
from orchestrator.records.run_folders import EXPLORATION_FILE
from trainables.predictor.scores import LaneStatus


def explore(tools: SweepTools) -> None:
    """Search the settings of every arm that leaves any open, and write the search as a file for
    optuna-dashboard.
    """
    plan, known = tools.plan, tools.recorder.known
    searches = {
        arm.name: ArmSearch(plan, arm, known, JournalledDraws(tools.journal, arm.name))
        for arm in tools.study.arms
        if plan.settled(arm) is None
    }
    # Of all arms at once, so that they are fitted side by side.
    searched = [arm for arm in tools.study.arms if arm.name in searches]
    tools.packs.share(config for arm in searched for config in plan.foreseen(arm))
    ahead = {name: packs_ahead(plan, tools.recorder.lanes(Phase.EXPLORE, name)) for name in searches}
    tools.packs.run_search(Phase.EXPLORE, ahead, list(searches.values()))
    if searches:
        write_exploration(tools.request.folder / EXPLORATION_FILE, plan, _explored(tools))


def packs_ahead(plan: Plan, explored: Sequence[Event]) -> int:
    """How many packs of an arm's search have a lane without a result among these."""
    known = {event["index"] for event in explored}
    firsts = ([index for index in plan.explored_seeds(number) if index >= 0] for number in range(plan.packs))
    return sum(not known.issuperset(indexes) for indexes in firsts)


def search_record(tools: SweepTools) -> dict[str, dict[str, Any]]:
    """By arm whose settings were searched: how many of its structures were tried, whether configurations were
    told apart, and only where they were, how much each setting mattered.
    """
    record: dict[str, dict[str, Any]] = {}
    for searched in _explored(tools):
        reliability = _reliability(tools, searched)
        record[searched.arm.name] = {
            "structures": tools.plan.coverage(searched.arm).text,
            "reliability": reliability.to_json(),
            "importances": importances(tools.plan, searched) if reliability.told_apart else {},
        }
    return record


def _explored(tools: SweepTools) -> list[ExploredArm]:
    recorder = tools.recorder
    return [
        ExploredArm(arm, explored, recorder.lanes(Phase.REPEAT, arm.name))
        for arm in tools.study.arms
        if (explored := recorder.lanes(Phase.EXPLORE, arm.name))
    ]


def _reliability(tools: SweepTools, searched: ExploredArm) -> Reliability:
    """From lanes that trained to their end: of a metric without sums per speaker, from seeds alone."""
    metric = tools.study.objective
    first = {event["index"]: event for event in searched.explored if _ended(event)}
    pairs = [(first[e["index"]], e) for e in searched.repeated if _ended(e) and e["index"] in first]
    seeds = [np.array([event["objective"] for event in side]) for side in zip(*pairs, strict=True)]
    scores = [each for event in first.values() if (each := tools.recorder.scores(event)) is not None]
    try:
        sums = [each.per_speaker(metric) for each in scores]
        numerators_CS, denominators_CS = (np.stack(part) for part in zip(*sums, strict=True))
    except (KeyError, ValueError):  # no lane, or no such sums
        numerators_CS = denominators_CS = np.zeros((0, 0))
    return Reliability(
        halves=agreement_of_halves(numerators_CS, denominators_CS),
        seeds=agreement_of_seeds(*seeds) if seeds else None,
        speakers=numerators_CS.shape[1],
    )


def _ended(event: Event) -> bool:
    return event["status"] == LaneStatus.FINISHED and event["objective"] is not None
