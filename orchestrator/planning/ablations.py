"""Which parts of the confirmed winner earn their place: each is taken out, on the seeds of its replicates.

Effects are of the primary metric, the whole minus the part, paired by seed, speaker and utterance, so that a
positive effect says that the part helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.records.ablation_evidence import settings_text, variants
from trainables.predictor.config import changes_settings, split_config

_LANES = 16  # in one pack


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


def _configs(plan: Plan, winner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting that has to be trained, once."""
    wanted: dict[str, dict[str, Any]] = {}
    for variant in variants(plan.study):
        whole = {**winner, **variant.given}
        for config in (
            (whole, {**whole, **variant.neutral}) if changes_settings(whole, variant.neutral) else ()
        ):
            if changes_settings(winner, config):
                wanted[settings_text(config)] = config
    return list(wanted.values())
