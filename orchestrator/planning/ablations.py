"""Which parts of the confirmed winner earn their place: each is taken out, on the seeds of its replicates.

Effects are of the primary metric, the whole minus the part, paired by seed, speaker and utterance, so that a
positive effect says that the part helps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.records.evidence import Ablation, Replicate
from search_spaces.study import Study
from trainables.predictor.config import changes_settings, split_config

_LANES = 16  # in one pack


@dataclass(frozen=True)
class Variant:
    """Components to take out together, the settings that stand in for them, and those of both sides."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool


def variants(study: Study) -> list[Variant]:
    """Every component by itself, then the chosen pairs."""
    parts = {component.name: component for component in study.components}
    alone = [Variant((p.name,), p.neutral, p.given, p.known_harm) for p in study.components]
    together = [
        Variant(
            (first, second),
            {**parts[first].neutral, **parts[second].neutral},
            {**parts[first].given, **parts[second].given},
            False,
        )
        for first, second in study.pairs
    ]
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
            against=replicates({**winner, **variant.given})
            if changes_settings(winner, variant.given)
            else None,
            known_harm=variant.known_harm,
        )
        for variant in variants(plan.study)
    ]


def _configs(plan: Plan, winner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting that has to be trained, once."""
    wanted: dict[str, dict[str, Any]] = {}
    for variant in variants(plan.study):
        whole = {**winner, **variant.given}
        for config in (
            (whole, {**whole, **variant.neutral}) if changes_settings(whole, variant.neutral) else ()
        ):
            if changes_settings(winner, config):
                wanted[_text(config)] = config
    return list(wanted.values())


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)
