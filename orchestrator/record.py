"""What the driver writes down of every lane: journal first, then MLflow, then the display."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.evidence import ArmEvidence, Exploration, Replicate
from orchestrator.journal import Journal, lane_key
from orchestrator.plan import Pack, Plan
from orchestrator.progress import Progress
from orchestrator.search import UNKNOWN
from trainables.predictor.scores import LaneStatus, Scores

if TYPE_CHECKING:
    from orchestrator.tracking import Tracker


class Recorder:
    """Watches packs for the searcher, and answers what is known already."""

    def __init__(
        self, plan: Plan, journal: Journal, tracker: Tracker, progress: Progress, data_hash: str, code: str
    ) -> None:
        self._plan, self._journal, self._tracker, self._progress = plan, journal, tracker, progress
        self._data_hash, self._code = data_hash, code
        self._finished = journal.finished()

    def key(self, config: Mapping[str, Any]) -> str:
        """The name of a lane's result."""
        return lane_key(config, self._data_hash, self._code)

    def known(self, config: Mapping[str, Any]) -> Any:
        """The objective of a finished lane (None where it diverged), else ``UNKNOWN``."""
        event = self._finished.get(self.key(config))
        return UNKNOWN if event is None else event["objective"]

    def retrack(self) -> None:
        """Give MLflow what the journal of a resumed sweep holds; it passes over what it has."""
        for key, event in self._finished.items():
            self._track(event, self._journal.result(key))

    def started(self, pack: Pack) -> None:
        """Journal a pack with the settings of its lanes."""
        keys = [self.key(config) for config in pack.configs]
        self._journal.append(
            "started", phase=pack.phase, arm=pack.arm, pack=pack.number, keys=keys, configs=pack.configs
        )
        self._progress.started(pack)

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        """Show an epoch."""
        self._progress.progressed(pack, progress)

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        """Record every lane of a pack; return the objectives, None where a lane diverged."""
        objectives = []
        for index, config, result in zip(pack.indexes, pack.configs, results, strict=True):
            objective = _objective(result, self._plan.study.objective)
            if objective is None:
                result = {**result, "status": LaneStatus.DIVERGED, "scores": None}
            self._record(pack, index, config, result, objective)
            objectives.append(objective)
        self._progress.finished(pack, objectives)
        return objectives

    def explored(self, arm: str) -> list[Exploration]:
        """The finished explorations of an arm, in order."""
        return [
            Exploration(e["index"], e["config"], e["objective"], e["status"], e["seconds"])
            for e in self._events("explore", arm)
        ]

    def confirmed(self, arm: str) -> list[tuple[int, Replicate]]:
        """The confirmed lanes of an arm by index: replicates, then nulls."""
        replicates = []
        for event in self._events("confirm", arm):
            result, config = self._journal.result(event["key"]), event["config"]
            replicates.append(
                (
                    event["index"],
                    Replicate(
                        seed=config["seed"],
                        surrogate=config["surrogate"],
                        status=event["status"],
                        scores=result["scores"],
                        history=result["history"],
                        parameters=result["parameters"],
                    ),
                )
            )
        return replicates

    def arm_evidence(self, arm: str, winner: Mapping[str, Any]) -> ArmEvidence:
        """All that is recorded of an arm."""
        confirmed = [replicate for _, replicate in self.confirmed(arm)]
        return ArmEvidence(
            name=arm,
            config=dict(winner),
            explored=self.explored(arm),
            replicates=[r for r in confirmed if r.surrogate == "real"],
            nulls=[r for r in confirmed if r.surrogate != "real"],
        )

    def _record(
        self,
        pack: Pack,
        index: int,
        config: Mapping[str, Any],
        result: Mapping[str, Any],
        objective: float | None,
    ) -> None:
        key = self.key(config)
        facts = {
            "phase": pack.phase, "arm": pack.arm, "index": index, "status": result["status"], "objective":
            objective, "seconds": result["seconds"], "config": config,
        }  # fmt: skip
        self._journal.finish_lane(key, result, **facts)
        self._finished[key] = {"key": key, **facts}
        self._track({"key": key, **facts}, result)

    def _track(self, event: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        null = event["phase"] == "confirm" and event["config"]["surrogate"] != "real"
        self._tracker.lane(
            f"{event['arm']} {event['phase']} {event['index']}", event["arm"], "null" if null else
            event["phase"], event["config"], result["history"], result["scores"], event["status"],
        )  # fmt: skip

    def _events(self, phase: str, arm: str) -> list[dict[str, Any]]:
        own = [e for e in self._finished.values() if (e["phase"], e["arm"]) == (phase, arm)]
        return sorted(own, key=lambda e: e["index"])


def winner(explored: Sequence[Exploration]) -> dict[str, Any] | None:
    """The settings with the best objective, the earlier one where two are equal; None where every lane
    diverged. A lane that a rung stopped wins only where none was trained to its end.
    """
    sound = [e for e in explored if e.objective is not None]
    if not sound:
        return None
    best = max(sound, key=lambda e: (e.status == LaneStatus.FINISHED, e.objective, -e.index))
    return {name: value for name, value in best.config.items() if name not in ("seed", "surrogate")}


def _objective(result: Mapping[str, Any], metric: str) -> float | None:
    """A number that is not finite is a lane that diverged."""
    if result["status"] == LaneStatus.DIVERGED or result["scores"] is None:
        return None
    value = Scores.from_json(result["scores"]).value(metric)
    return value if math.isfinite(value) else None
