"""From the lanes of the ablations to evidence: which variants a study asks for, and what became of each.

Pure functions, whose code is a part of the version of the judge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.records.arm_evidence import Event, ResultOf, lanes_of, replicate
from orchestrator.records.evidence import Ablation, Replicate
from search_spaces.study import Study
from trainables.predictor.config import changes_settings


@dataclass(frozen=True)
class Variant:
    """Components taken out together: the settings that stand in for them, and the settings of both sides."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]
    given: Mapping[str, Any]
    known_harm: bool


def variants(study: Study) -> list[Variant]:
    """The variants of a study: every component by itself, then the chosen pairs."""
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


def ablated_lanes(
    events: Iterable[Event], arm: str, result_of: ResultOf
) -> list[tuple[Mapping[str, Any], Replicate]]:
    """Settings and outcome of every lane of the ablations of an arm."""
    return [(e["config"], replicate(e, result_of(e["key"]))) for e in lanes_of(events, "ablate", arm)]


def gather(
    study: Study,
    seeds: Sequence[int],
    winner: Mapping[str, Any],
    lanes: Iterable[tuple[Mapping[str, Any], Replicate]],
) -> list[Ablation]:
    """The evidence of every variant, from settings and outcomes of the lanes that ran on the given seeds."""
    outcomes = {settings_text(config): outcome for config, outcome in lanes}

    def replicates(config: Mapping[str, Any]) -> list[Replicate]:
        wanted = (settings_text({**config, "seed": seed, "surrogate": "real"}) for seed in seeds)
        return [outcomes[text] for text in wanted if text in outcomes]

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
        for variant in variants(study)
    ]


def settings_text(config: Mapping[str, Any]) -> str:
    """Settings as text: two are equal where their settings are."""
    return json.dumps(config, sort_keys=True)
