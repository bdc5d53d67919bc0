"""What the driver records of every lane: the archive comes first, then journal and display."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection
from orchestrator.execution.progress import Progress
from orchestrator.execution.search import NO_RESULT
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.records.ablation_evidence import ablated_lanes
from orchestrator.records.arm_evidence import (
    Event,
    arm_evidence,
    explorations,
    lane_outcome,
    lanes_of,
    place_of,
)
from orchestrator.records.evidence import ArmEvidence, Exploration, Replicate
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LaneStore, lane_key
from orchestrator.records.phase import Phase
from orchestrator.records.study_code import code_of_lane
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import PLANTS
from trainables.predictor.scores import LaneStatus, Scores


class LaneRecorder:
    """Records what the searcher does with packs, and knows which lanes have a result already, from this or
    another sweep.

    Args:
        changed: called when the journal has a new lane.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        journal: Journal,
        archive: LaneStore,
        changed: Callable[[], None],
        progress: Progress,
        latents: LatentCollection,
        code: str,
    ) -> None:
        self._plan, self._journal, self._archive = plan, journal, archive
        self._changed, self._progress = changed, progress
        self._latents, self._code = latents, code
        self._finished = {place_of(event): event for event in journal.events("finished")}

    def key(self, pack: Pack, position: int) -> str:
        """The name under which the archive holds the result of a pack's lane."""
        config = pack.configs[position]
        data_hash = self._latents.of(config.structure.representation).content_hash
        code = code_of_lane(config, self._code)
        return lane_key(config, pack.phase.judged_on, data_hash, code, pack.configs)

    def known(self, pack: Pack, position: int) -> Any:
        """The objective of a lane that has finished (None where it diverged), else ``NO_RESULT``; a lane that
        another sweep has finished is entered in the journal of this one.
        """
        key = self.key(pack, position)
        result = self._archive.result(key)
        if result is None:
            return NO_RESULT
        event = self._finished.get(pack.place(position))
        if event is None or event["key"] != key:
            event = self._enter(pack, position, result, reused=True)
        return event["objective"]

    def started(self, pack: Pack) -> None:
        """Enter in the journal that a pack starts, with the settings of its lanes."""
        keys = [self.key(pack, position) for position in range(len(pack.configs))]
        configs = [config.to_json() for config in pack.configs]
        self._journal.append(
            "started", phase=pack.phase, arm=pack.arm, pack=pack.number, keys=keys, configs=configs
        )
        self._progress.started(pack)

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        """Show that a pack has finished an epoch."""
        self._progress.progressed(pack, progress)

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        """Record every lane of a pack; return the objectives, None where a lane diverged."""
        for position, result in enumerate(results):  # stored before anything else can fail
            self._archive.keep(self.key(pack, position), result, self._weights(pack, position))
        events = [self._enter(pack, i, result) for i, result in enumerate(results)]
        shown = [
            event["objective"]
            for index, event in zip(pack.indexes, events, strict=True)
            if index >= 0 and (event["status"] == LaneStatus.DIVERGED or event["objective"] is not None)
        ]
        self._progress.finished(pack, shown)
        return [event["objective"] for event in events]

    def explored(self, arm: str) -> list[Exploration]:
        """The finished explorations of an arm, in order."""
        return explorations(self._finished.values(), arm)

    def lanes(self, phase: Phase, arm: str) -> list[Event]:
        """The journal's lines on the finished lanes of one phase and arm, in order."""
        return lanes_of(self._finished.values(), phase, arm)

    def scores(self, event: Event) -> Scores | None:
        """The scores of a finished lane; None where it diverged, or where its result is lost."""
        result = self._archive.result(event["key"])
        return Scores.from_json(result["scores"]) if result and result["scores"] else None

    def arm_evidence(self, arm: str, winner: LaneConfig, seeds: Sequence[int]) -> ArmEvidence:
        """Everything recorded of an arm: explorations, nulls, and replicates on the given seeds."""
        return arm_evidence(arm, winner, seeds, self._finished.values(), self._archive.result)

    def ablated(self, arm: str) -> list[tuple[LaneConfig, Replicate]]:
        """The settings and the outcome of every lane of the ablations."""
        return ablated_lanes(self._finished.values(), arm, self._archive.result)

    def reused(self) -> int:
        """How many lanes were not trained because another sweep had finished them before."""
        return sum(bool(e["reused"]) for e in self._finished.values())

    def _enter(
        self, pack: Pack, position: int, result: Mapping[str, Any], reused: bool = False
    ) -> dict[str, Any]:
        planted = pack.configs[position].lane.surrogate in PLANTS
        status, objective = lane_outcome(result, self._plan.study.objective, planted=planted)
        phase, arm, index = pack.place(position)
        event = {
            "key": self.key(pack, position),
            "phase": phase,
            "arm": arm,
            "index": index,
            "status": status,
            "objective": objective,
            "seconds": result["seconds"],
            "reused": reused,
            "config": pack.configs[position].to_json(),
        }
        self._journal.append("finished", **event)
        self._finished[place_of(event)] = event
        self._changed()
        return event

    def _weights(self, pack: Pack, position: int) -> Path | None:
        # Imported here: it loads torch and Ray, which reading a record does not need.
        from orchestrator.execution.ray_tune import weights_name

        return self._journal.folder / weights_name(pack, pack.indexes[position])


def winner(explored: Sequence[Exploration]) -> LaneConfig | None:
    """The settings with the best objective, the earlier ones where two are equal; None where every lane
    diverged. A lane that was stopped at a rung wins only where no lane was trained to its end.
    """
    measured = [e for e in explored if e.objective is not None]
    if not measured:
        return None
    best = max(measured, key=lambda e: (e.status == LaneStatus.FINISHED, e.objective, -e.index))
    return best.config.without("seed", "surrogate")
