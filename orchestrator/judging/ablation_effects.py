"""How much each component of the winner adds, measured by training without it.

An effect is read on the primary metric and on the graded one that exploration maximises, both on real frames.
A metric at its floor shows no harm, whatever is taken out; so components are also taken out on planted
frames, in which there is a direction to lose: those whose loss is known to do harm always, the others where
real frames did not show that harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import Ablation, ArmEvidence, Evidence
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import spoken
from search_spaces.study import Study
from trainables.latents.batching.surrogates import Surrogate

_WHOLE, _PART = "whole", "part"
_EQUAL = "indistinguishable from zero"


@dataclass(frozen=True)
class Effect:
    """How much one component adds; each effect is None where it was not measured."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool
    effect: Interval | None  # on the primary metric
    sentence: str
    graded: Interval | None = None  # ... on the metric that exploration maximises
    planted: Interval | None = None  # ... on the primary metric, where a direction was planted

    @property
    def seen(self) -> bool:
        """Whether real frames show that the component helps, on either metric."""
        return any(effect is not None and effect.low > 0 for effect in (self.effect, self.graded))

    @property
    def seen_on_plant(self) -> bool:
        """Whether planted frames show that the component helps."""
        return self.planted is not None and self.planted.low > 0

    def to_json(self) -> dict[str, Any]:
        """The effect as plain data."""
        return {
            "components": list(self.components),
            "neutral": dict(self.neutral),
            "given": dict(self.given),
            "known_harm": self.known_harm,
            "effect": self.effect.to_json() if self.effect else None,
            "graded": self.graded.to_json() if self.graded else None,
            "planted": self.planted.to_json() if self.planted else None,
            "sentence": self.sentence,
        }


def effects(study: Study, evidence: Evidence, level: float) -> list[Effect]:
    """The effect of each ablated component, the most useful first; those not measured come last.

    Empty where the primary arm was never confirmed.
    """
    if study.primary.arm not in evidence.arms:
        return []
    measured = [_effect(study, evidence, ablation, level) for ablation in evidence.ablations]
    return sorted(measured, key=lambda e: -e.effect.estimate if e.effect else float("inf"))


def blind_spots(measured: Sequence[Effect]) -> list[str]:
    """The names of the components whose loss is known to do harm, which real frames did not show."""
    return [
        " + ".join(e.components) for e in measured if e.known_harm and e.effect is not None and not e.seen
    ]


def _effect(study: Study, evidence: Evidence, ablation: Ablation, level: float) -> Effect:
    variant = (tuple(ablation.components), ablation.neutral, ablation.given, ablation.known_harm)
    whole = evidence.arms[study.primary.arm]
    given = whole.config | ablation.given
    if given.means_the_same_as(given | ablation.neutral):
        return Effect(*variant, None, "the winner already does without it")
    against = [*whole.replicates, *whole.plants] if ablation.against is None else ablation.against
    sides = {_WHOLE: against, _PART: ablation.replicates}
    arms = {name: ArmEvidence(name, given, [], list(lanes), []) for name, lanes in sides.items()}
    measures = Measures(Evidence(evidence.study, arms, evidence.data, {}, {}), level)
    effect = _gain(measures, study.primary.metric)
    if effect is None:
        return Effect(*variant, None, "not measured: too few of its lanes finished")
    graded = None if study.objective == study.primary.metric else _gain(measures, study.objective)
    planted = _gain(measures, study.primary.metric, Surrogate.KEPT)
    return Effect(*variant, effect, _reading(effect, graded, study.objective), graded, planted)


def _gain(measures: Measures, metric: str, surrogate: Surrogate = Surrogate.REAL) -> Interval | None:
    """By how much the whole is better than the part; less is better of a metric with a minus sign."""
    better, worse = (_PART, _WHOLE) if metric.startswith("-") else (_WHOLE, _PART)
    return measures.value(better, metric.removeprefix("-"), versus=worse, surrogate=surrogate)


def _reading(effect: Interval, graded: Interval | None, objective: str) -> str:
    on_primary = _word(effect)
    on_graded = on_primary if graded is None else _word(graded)
    if on_graded in (on_primary, _EQUAL):
        return on_primary
    return f"{on_primary}, but {on_graded} by {spoken(objective.removeprefix('-'))}"


def _word(effect: Interval) -> str:
    return "helps" if effect.low > 0 else "harms" if effect.high < 0 else _EQUAL
