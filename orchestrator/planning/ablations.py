"""Which components of the confirmed winner help: the lanes that train it without each of them.

Every variant is trained on the seeds of the winner's replicates. Effects are differences of the primary
metric, the whole minus the variant without the component, paired by seed, speaker and utterance, so that a
positive effect says that the component helps.
"""

from __future__ import annotations

from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.records.ablation_evidence import stand_ins, variants
from orchestrator.records.phase import Phase
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.config import LaneConfig, Structure

_LANES = 16  # in one pack


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


def _configs(plan: Plan, winner: LaneConfig) -> list[LaneConfig]:
    """Every configuration that has to be trained, once; the winner has been trained already."""
    wanted: dict[LaneConfig, LaneConfig] = {}
    for variant in variants(plan.study):
        whole = winner | variant.given
        part = whole | stand_ins(whole, variant)
        if not part.means_the_same_as(whole):
            wanted |= {c: c for c in (whole, part) if not c.means_the_same_as(winner)}
    return list(wanted.values())
