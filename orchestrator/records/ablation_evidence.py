"""From the lanes of the ablations to evidence: which variants a study asks for, and what became of each.

Pure functions, whose code is a part of the version of the judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.records.arm_evidence import Event, ResultOf, lanes_of, replicate
from orchestrator.records.evidence import Ablation, Replicate
from orchestrator.records.phase import Phase
from search_spaces.study import ALL_EPOCHS, Study
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate


@dataclass(frozen=True)
class Variant:
    """One or more components that are taken out of the winner together."""

    components: tuple[str, ...]
    neutral: dict[str, Any]  # settings that stand in for the components
    given: Mapping[str, Any]  # settings that both sides of the comparison share, in place of the winner's
    known_harm: bool  # whether taking them out is known to do harm, so that the ablation has to see it


def variants(study: Study) -> list[Variant]:
    """The variants of a study: every component by itself, then the chosen pairs."""
    parts = {component.name: component for component in study.components}
    alone = [Variant((p.name,), dict(p.neutral), p.given, p.known_harm) for p in study.components]
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


def stand_ins(whole: LaneConfig, variant: Variant) -> dict[str, Any]:
    """What stands in for a variant's components in the settings of the whole."""
    return {
        name: whole.structure.epochs if value == ALL_EPOCHS else value
        for name, value in variant.neutral.items()
    }


def ablated_lanes(
    events: Iterable[Event], arm: str, result_of: ResultOf
) -> list[tuple[LaneConfig, Replicate]]:
    """Settings and outcome of every lane of the ablations of an arm."""
    return [
        (LaneConfig.of(e["config"]), replicate(e, result_of(e["key"])))
        for e in lanes_of(events, Phase.ABLATE, arm)
    ]


def gather(
    study: Study,
    seeds: Sequence[int],
    winner: LaneConfig,
    lanes: Iterable[tuple[LaneConfig, Replicate]],
) -> list[Ablation]:
    """The evidence of every variant, from settings and outcomes of the lanes that ran on the given seeds, on
    real frames and, where a direction was planted for them, on those.
    """
    outcomes = dict(lanes)

    def replicates(config: LaneConfig) -> list[Replicate]:
        frames = (Surrogate.REAL, Surrogate.KEPT)
        wanted = (config | {"seed": seed, "surrogate": kind} for kind in frames for seed in seeds)
        return [outcomes[lane] for lane in wanted if lane in outcomes]

    ablations = []
    for variant in variants(study):
        whole = winner | variant.given
        ablations.append(
            Ablation(
                components=list(variant.components),
                neutral=stand_ins(whole, variant),
                replicates=replicates(whole | stand_ins(whole, variant)),
                given=dict(variant.given),
                against=None if whole.means_the_same_as(winner) else replicates(whole),
                known_harm=variant.known_harm,
            )
        )
    return ablations
