"""How much each component of the winner adds to the primary metric, measured by training without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import Ablation, ArmEvidence, Evidence
from orchestrator.statistics.intervals import Interval
from search_spaces.study import Study


@dataclass(frozen=True)
class Effect:
    """How much one component adds to the primary metric; ``effect`` is None where it was not measured."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool
    effect: Interval | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The effect as plain data."""
        return {
            "components": list(self.components),
            "neutral": dict(self.neutral),
            "given": dict(self.given),
            "known_harm": self.known_harm,
            "effect": self.effect.to_json() if self.effect else None,
            "sentence": self.sentence,
        }


def effects(study: Study, evidence: Evidence, level: float) -> list[Effect]:
    """The effect of each ablated component, the most useful first; those not measured come last.

    Empty where the primary arm was never confirmed.
    """
    arm, metric = study.primary.arm, study.primary.metric
    if arm not in evidence.arms:
        return []
    measured = [_effect(evidence, arm, metric, ablation, level) for ablation in evidence.ablations]
    return sorted(measured, key=lambda e: -e.effect.estimate if e.effect else float("inf"))


def blind_spots(measured: Sequence[Effect]) -> list[str]:
    """The names of the components that are known to do harm, and whose ablation did not show it."""
    return [
        " + ".join(e.components)
        for e in measured
        if e.known_harm and e.effect is not None and not e.effect.low > 0
    ]


def _effect(evidence: Evidence, arm: str, metric: str, ablation: Ablation, level: float) -> Effect:
    variant = (tuple(ablation.components), ablation.neutral, ablation.given, ablation.known_harm)
    winner = evidence.arms[arm].config
    given = winner | ablation.given
    if given.means_the_same_as(given | ablation.neutral):
        return Effect(*variant, None, "the winner already does without it")
    whole = evidence.arms[arm].replicates if ablation.against is None else ablation.against
    sides = {"whole": whole, "part": ablation.replicates}
    arms = {name: ArmEvidence(name, winner, [], list(replicates), []) for name, replicates in sides.items()}
    both_sides = Evidence(evidence.study, arms, evidence.data, {}, {})
    effect = Measures(both_sides, level).value("whole", metric, versus="part")
    if effect is None:
        return Effect(*variant, None, "not measured: too few of its lanes finished")
    return Effect(*variant, effect, _reading(effect))


def _reading(effect: Interval) -> str:
    if effect.low > 0:
        return "helps"
    if effect.high < 0:
        return "harms"
    return "indistinguishable from zero"
