"""What each component of the winner is worth on the primary metric."""

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
    """What a component is worth on the primary metric. None where there was nothing to measure."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool
    effect: Interval | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "components": list(self.components),
            "neutral": dict(self.neutral),
            "given": dict(self.given),
            "known_harm": self.known_harm,
            "effect": self.effect.to_json() if self.effect else None,
            "sentence": self.sentence,
        }


def effects(study: Study, evidence: Evidence, level: float) -> list[Effect]:
    """What each variant is worth, the most useful part first; what was not measured comes last."""
    arm, metric = study.primary.arm, study.primary.metric
    if arm not in evidence.arms:
        return []
    found = [_effect(evidence, arm, metric, ablation, level) for ablation in evidence.ablations]
    return sorted(found, key=lambda e: -e.effect.estimate if e.effect else float("inf"))


def blind_spots(found: Sequence[Effect]) -> list[str]:
    """The names of components whose known harm an ablation did not see."""
    return [
        " + ".join(e.components)
        for e in found
        if e.known_harm and e.effect is not None and not e.effect.low > 0
    ]


def _effect(evidence: Evidence, arm: str, metric: str, ablation: Ablation, level: float) -> Effect:
    told = (tuple(ablation.components), ablation.neutral, ablation.given, ablation.known_harm)
    winner = evidence.arms[arm].config
    given = winner | ablation.given
    if given.means_the_same_as(given | ablation.neutral):
        return Effect(*told, None, "the winner does without it already")
    whole = evidence.arms[arm].replicates if ablation.against is None else ablation.against
    sides = {"whole": whole, "part": ablation.replicates}
    arms = {name: ArmEvidence(name, winner, [], list(own), []) for name, own in sides.items()}
    alone = Evidence(evidence.study, arms, evidence.data, {}, {})
    effect = Measures(alone, level).value("whole", metric, versus="part")
    if effect is None:
        return Effect(*told, None, "not measured: too few of its lanes finished")
    return Effect(*told, effect, _reading(effect))


def _reading(effect: Interval) -> str:
    if effect.low > 0:
        return "helps"
    if effect.high < 0:
        return "harms"
    return "indistinguishable from zero"
