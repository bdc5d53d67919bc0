"""Which components of the confirmed winner help: the lanes that train it without each of them.

Every variant is trained on the seeds of the winner's replicates. Effects are differences of the primary
metric, the whole minus the variant without the component, paired by seed, speaker and utterance, so that a
positive effect says that the component helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.planning.pack import Pack, Phase
from orchestrator.planning.plan import Plan
from orchestrator.records.evidence import Ablation, Replicate
from search_spaces.study import Study
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.config import LaneConfig, Structure

_LANES = 16  # in one pack


@dataclass(frozen=True)
class Variant:
    """One or more components that are taken out of the winner together."""

    components: tuple[str, ...]
    neutral: Mapping[str, Any]  # settings that stand in for the components
    given: Mapping[str, Any]  # settings that both sides of the comparison share, in place of the winner's
    known_harm: bool  # whether taking them out is known to do harm, so that the ablation has to see it


def variants(study: Study) -> list[Variant]:
    """Every component by itself, then the pairs that the study names."""
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


def ablation_packs(plan: Plan, winner: LaneConfig) -> list[Pack]:
    """The lanes that the ablations need beyond the replicates of the winner, in packs of equal structure."""
    lanes = [
        config | {"seed": seed, "surrogate": Surrogate.REAL}
        for config in _configs(plan, winner)
        for seed in plan.confirm_seeds()
    ]
    by_structure: dict[Structure, list[int]] = {}
    for index, lane in enumerate(lanes):
        by_structure.setdefault(lane.structure, []).append(index)
    chunks = [alike[i : i + _LANES] for alike in by_structure.values() for i in range(0, len(alike), _LANES)]
    arm = plan.study.primary.arm
    return [
        Pack(Phase.ABLATE, arm, number, tuple(chunk), tuple(lanes[i] for i in chunk))
        for number, chunk in enumerate(chunks)
    ]


def gather(plan: Plan, winner: LaneConfig, lanes: Sequence[tuple[LaneConfig, Replicate]]) -> list[Ablation]:
    """The evidence of every variant, from the settings and outcomes of the lanes that have finished."""
    seeds, outcomes = plan.confirm_seeds(), dict(lanes)

    def replicates(config: LaneConfig) -> list[Replicate]:
        wanted = (config | {"seed": seed, "surrogate": Surrogate.REAL} for seed in seeds)
        return [outcomes[lane] for lane in wanted if lane in outcomes]

    ablations = []
    for variant in variants(plan.study):
        whole = winner | variant.given
        ablations.append(
            Ablation(
                components=list(variant.components),
                neutral=dict(variant.neutral),
                replicates=replicates(whole | variant.neutral),
                given=dict(variant.given),
                against=None if whole.means_the_same_as(winner) else replicates(whole),
                known_harm=variant.known_harm,
            )
        )
    return ablations


def _configs(plan: Plan, winner: LaneConfig) -> list[LaneConfig]:
    """Every configuration that has to be trained, once; the winner has been trained already."""
    wanted: dict[LaneConfig, LaneConfig] = {}
    for variant in variants(plan.study):
        whole = winner | variant.given
        part = whole | variant.neutral
        if not part.means_the_same_as(whole):
            wanted |= {c: c for c in (whole, part) if not c.means_the_same_as(winner)}
    return list(wanted.values())
