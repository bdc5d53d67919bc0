"""Whether each arm found what was planted for it: only an instrument that finds something may report nothing.

Plants are frames of the user's own sizes in which the best possible figure is known
(:mod:`trainables.latents.batching.planted`). In one the direction stays known, and an arm has to reach
:data:`TO_REACH` of what is possible; in the other it is lost, and an arm that keeps it there is misread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import Evidence
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number, plain, spelled, spoken
from search_spaces.study import Claim, Criterion, Plant, Study
from trainables.latents.batching.surrogates import PLANTS, Surrogate

TO_REACH = 0.9  # of the optimum on the plant whose direction is kept
_INFORMATION = "predictive_information_gaussian"


@dataclass(frozen=True, kw_only=True)
class PlantReading:
    """What one arm made of the plants; None stands for what was not measured, or is not known."""

    arm: str
    metric: str
    kept: Interval | None
    lost: Interval | None
    kept_optimum: float | None  # what the best predictor reaches where the direction is kept ...
    lost_optimum: float | None  # ... and where it is lost
    needed: float  # what the arm has to reach where the direction is kept
    ceiling: float | None  # what it has to stay below where the direction is lost; None where it need not

    @property
    def sentence(self) -> str:
        """What the arm reached, for the reader."""
        if self.kept is None:
            return f"The {self.arm} arm was not measured on planted frames."
        possible = "" if self.kept_optimum is None else f" of {plain(round(self.kept_optimum, 2))} possible"
        reached = f"the {self.arm} arm reached a {spoken(self.metric)} of {spelled(self.kept)}{possible}"
        if self.lost is None or self.ceiling is None:
            return f"On planted frames with steps of the same sizes {reached}."
        lost = f"{spelled(self.lost)} where it is lost"
        return f"On planted directions with steps of the same sizes {reached}, and {lost}."

    @property
    def reached(self) -> bool:
        """Whether the arm found what is there: by its estimate where the optimum is known, else by its whole
        interval.
        """
        if self.kept is None:
            return False
        return self.kept.low > self.needed if self.kept_optimum is None else self.kept.estimate >= self.needed

    @property
    def problem(self) -> str:
        """Why nothing may be concluded from this arm; empty where it found what there is, and no more."""
        if self.kept is None:
            return self.sentence
        if not self.reached:
            what = "past" if self.kept_optimum is None else "direction"
            possible = "" if self.kept_optimum is None else f" where {self.kept_optimum:.2f} is possible"
            return (
                f"At these settings and this budget the {self.arm} arm does not find a {what} that is there: "
                f"on planted frames with steps of the same sizes it has a {spoken(self.metric)} of "
                f"{spelled(self.kept)}{possible}, and has to reach {number(self.needed)}."
            )
        if self.ceiling is not None and (self.lost is None or not self.lost.high < self.ceiling):
            value = "no" if self.lost is None else f"{spelled(self.lost)} as its"
            return (
                f"The {self.arm} arm does not see that a direction is lost: on planted frames without one it "
                f"has {value} {spoken(self.metric)}, which has to lie below {plain(round(self.ceiling, 3))}."
            )
        return ""

    def to_json(self) -> dict[str, Any]:
        """The reading as plain data."""
        intervals = {name: getattr(self, name) for name in ("kept", "lost")}
        plain_data = {name: each.to_json() if each else None for name, each in intervals.items()}
        return {**asdict(self), **plain_data, "found": not self.problem}


def plant_readings(study: Study, evidence: Evidence, measures: Measures) -> tuple[PlantReading, ...]:
    """What the arms that binding criteria name made of the plants; none where the study plants nothing."""
    if study.plant is Plant.NONE:
        return ()
    arms = [arm for arm in study.binding_arms if arm in evidence.arms]
    if study.plant is Plant.INFORMATION:
        return tuple(_information(arm, measures) for arm in arms)
    return tuple(_direction(arm, study.primary, evidence, measures) for arm in arms)


def optima(metric: str, arm: str, evidence: Evidence) -> dict[Surrogate, float]:
    """The best possible value of a metric on each plant of an arm's representation; empty unless known."""
    name, _, step = metric.partition("@")
    representation = evidence.arms[arm].config.structure.representation if arm in evidence.arms else ""
    planted = evidence.plants.get(representation or evidence.data.get("representation", ""), {})
    if name != "cos" or not step.isdecimal():
        return {}
    return {
        plant: planted[plant]["cos"][int(step) - 1]
        for plant in PLANTS
        if plant in planted and int(step) <= len(planted[plant]["cos"])
    }


def _direction(arm: str, primary: Criterion, evidence: Evidence, measures: Measures) -> PlantReading:
    best = optima(primary.metric, arm, evidence)
    kept, lost = (best.get(plant) for plant in PLANTS)
    absolute = primary.claim is Claim.GREATER and primary.versus is None
    ceiling = None
    if kept is not None and lost is not None:
        between = primary.failure if absolute else (kept + lost) / 2
        ceiling = between if lost < between else None
    return PlantReading(
        arm=arm,
        metric=primary.metric,
        kept=measures.value(arm, primary.metric, surrogate=Surrogate.KEPT),
        lost=measures.value(arm, primary.metric, surrogate=Surrogate.LOST),
        kept_optimum=kept,
        lost_optimum=lost,
        needed=TO_REACH * kept if kept is not None else primary.success,
        ceiling=ceiling,
    )


def _information(arm: str, measures: Measures) -> PlantReading:
    return PlantReading(
        arm=arm,
        metric=_INFORMATION,
        kept=measures.value(arm, _INFORMATION, surrogate=Surrogate.KEPT),
        lost=measures.value(arm, _INFORMATION, surrogate=Surrogate.LOST),
        kept_optimum=None,
        lost_optimum=None,
        needed=0.0,
        ceiling=None,
    )
