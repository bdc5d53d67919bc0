"""Which components of the confirmed winner help: the lanes that train it without each of them.

Every variant is trained on the seeds of the winner's replicates. Effects are differences of the primary
metric, the whole minus the variant without the component, paired by seed, speaker and utterance, so that a
positive effect says that the component helps.

A component whose loss is known to do harm is taken out on planted frames as well, in which there is a
direction to lose. Where real frames do not show that harm, every other component is tried there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.records.ablation_evidence import Variant, stand_ins, variants
from orchestrator.records.phase import Phase
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate

_LANES = 16  # in one pack


def ablation_packs(plan: Plan, winner: LaneConfig) -> list[Pack]:
    """The lanes that the ablations need beyond the confirmation of the winner, in packs of equal structure:
    all on real frames, and those of known harm on planted ones too.
    """
    real = _lanes(_configs(winner, variants(plan.study)), plan.confirm_seeds(), Surrogate.REAL)
    return [*_packed(plan, real), *_packed(plan, _checks(plan, winner), after=real)]


def retried_packs(plan: Plan, winner: LaneConfig) -> list[Pack]:
    """The lanes that try all other components on planted frames, beyond those of :func:`ablation_packs`."""
    first = [lane for pack in ablation_packs(plan, winner) for lane in pack.configs]
    everything = _configs(winner, variants(plan.study))
    known = set(first)
    lanes = [lane for lane in _planted(plan, everything) if lane not in known]
    return _packed(plan, lanes, after=first)


def _checks(plan: Plan, winner: LaneConfig) -> list[LaneConfig]:
    known = [variant for variant in variants(plan.study) if variant.known_harm]
    return _planted(plan, _configs(winner, known))


def _planted(plan: Plan, configs: Sequence[LaneConfig]) -> list[LaneConfig]:
    return _lanes(configs, plan.control_seeds, Surrogate.KEPT) if plan.plants else []


def _lanes(configs: Sequence[LaneConfig], seeds: Sequence[int], surrogate: Surrogate) -> list[LaneConfig]:
    return [config | {"seed": seed, "surrogate": surrogate} for config in configs for seed in seeds]


def _packed(plan: Plan, lanes: Sequence[LaneConfig], after: Sequence[LaneConfig] = ()) -> list[Pack]:
    """Lanes in packs of equal structure, numbered after the lanes that have a place already."""
    by_structure: dict[tuple[str, Any], list[int]] = {}
    for index, lane in enumerate(lanes):
        by_structure.setdefault((lane.kind, lane.structure), []).append(index)
    chunks = [alike[i : i + _LANES] for alike in by_structure.values() for i in range(0, len(alike), _LANES)]
    arm, first = plan.study.primary.arm, len(after)
    return [
        Pack(
            phase=Phase.ABLATE,
            arm=arm,
            number=first + chunk[0],
            indexes=tuple(first + i for i in chunk),
            configs=tuple(lanes[i] for i in chunk),
        )
        for chunk in chunks
    ]


def _configs(winner: LaneConfig, taken_out: Sequence[Variant]) -> list[LaneConfig]:
    """Every configuration that has to be trained, once; the winner has been trained already."""
    wanted: dict[LaneConfig, LaneConfig] = {}
    for variant in taken_out:
        whole = winner | variant.given
        part = whole | stand_ins(whole, variant)
        if not part.means_the_same_as(whole):
            wanted |= {c: c for c in (whole, part) if not c.means_the_same_as(winner)}
    return list(wanted.values())
