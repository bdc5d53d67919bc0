"""Which parts of the confirmed winner earn their place: each is taken out, on the seeds of its replicates.

Effects are of the primary metric, the whole minus the part, paired by seed, speaker and utterance, so that a
positive effect says that the part helps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evidence import Ablation, ArmEvidence, Evidence, Replicate
from orchestrator.pack import Pack
from orchestrator.plan import Plan
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.measures import Measures
from search_spaces.study import Study
from trainables.predictor.config import split_config

_LANES = 16  # in one pack


@dataclass(frozen=True)
class Variant:
    """Components to take out together, the settings that stand in for them, and those of both sides."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool


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


def variants(study: Study) -> list[Variant]:
    """Every component by itself, then the chosen pairs."""
    parts = {component.name: component for component in study.components}
    alone = [Variant((p.name,), p.neutral, p.given, p.known_harm) for p in study.components]
    together = [
        Variant(
            (first, second), {**parts[first].neutral, **parts[second].neutral},
            {**parts[first].given, **parts[second].given}, False,
        )
        for first, second in study.pairs
    ]  # fmt: skip
    return [*alone, *together]


def ablation_packs(plan: Plan, winner: Mapping[str, Any]) -> list[Pack]:
    """The lanes that the ablations need beyond the replicates of the winner, in packs of equal structure."""
    lanes = [
        {**c, "seed": s, "surrogate": "real"} for c in _configs(plan, winner) for s in plan.confirm_seeds()
    ]
    by_structure: dict[Any, list[int]] = {}
    for index, lane in enumerate(lanes):
        by_structure.setdefault(split_config(lane)[0], []).append(index)
    chunks = [own[i : i + _LANES] for own in by_structure.values() for i in range(0, len(own), _LANES)]
    arm = plan.study.primary.arm
    return [
        Pack("ablate", arm, number, tuple(chunk), tuple(lanes[i] for i in chunk))
        for number, chunk in enumerate(chunks)
    ]


def gather(
    plan: Plan, winner: Mapping[str, Any], lanes: Sequence[tuple[Mapping[str, Any], Replicate]]
) -> list[Ablation]:
    """The evidence of every variant, from settings and outcomes of the lanes that ran."""
    seeds = plan.confirm_seeds()
    found = {_text(config): replicate for config, replicate in lanes}

    def replicates(config: Mapping[str, Any]) -> list[Replicate]:
        wanted = (_text({**config, "seed": seed, "surrogate": "real"}) for seed in seeds)
        return [found[text] for text in wanted if text in found]

    return [
        Ablation(
            components=list(variant.components),
            neutral=dict(variant.neutral),
            replicates=replicates({**winner, **variant.given, **variant.neutral}),
            given=dict(variant.given),
            against=replicates({**winner, **variant.given}) if _moved(winner, variant.given) else None,
            known_harm=variant.known_harm,
        )
        for variant in variants(plan.study)
    ]


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
    if not _moved({**winner, **ablation.given}, ablation.neutral):
        return Effect(*told, None, "the winner does without it already")
    whole = evidence.arms[arm].replicates if ablation.against is None else ablation.against
    sides = {"whole": whole, "part": ablation.replicates}
    arms = {name: ArmEvidence(name, {}, [], list(own), []) for name, own in sides.items()}
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
    return "not told from none"


def _configs(plan: Plan, winner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting that has to be trained, once."""
    wanted: dict[str, dict[str, Any]] = {}
    for variant in variants(plan.study):
        whole = {**winner, **variant.given}
        for config in (whole, {**whole, **variant.neutral}) if _moved(whole, variant.neutral) else ():
            if _moved(winner, config):
                wanted[_text(config)] = config
    return list(wanted.values())


def _moved(winner: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the settings change anything; a setting that the winner does not name has its default there."""
    before, after = split_config(dict(winner)), split_config({**winner, **settings})
    return before != after


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)
