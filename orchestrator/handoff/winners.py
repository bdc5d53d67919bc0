"""The trained predictors of a run: an arm's winner on one of its seeds, as it was judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from trainables.errors import InputError
from trainables.lane_config import PREDICTOR
from trainables.predictor.exported import ExportedPredictor, LatentUnits
from trainables.predictor.scores import LaneStatus

# What of ``verdict.json`` travels with a predictor.
_OF_A_VERDICT = ("verdict", "reason", "consequence", "level", "replicates", "seal", "forced")
_OF_A_CRITERION = ("name", "metric", "arm", "versus", "role", "outcome", "sentence", "estimate")


def continuing_arms(evidence: Evidence) -> list[str]:
    """The arms of a run whose winners continue latents, and were trained to their end on a seed at least."""
    return [name for name, arm in evidence.arms.items() if arm.config.kind == PREDICTOR and _finished(arm)]


def trained_predictor(
    run: Path, evidence: Evidence, arm: str, replicate: int | None = None
) -> ExportedPredictor:
    """An arm's winner as it was trained for confirmation.

    Args:
        run: the folder of the run.
        evidence: its record.
        arm: by name.
        replicate: which of the arm's replicates, counted from 0; by default the first that has finished,
            which a report plays.

    Raises:
        InputError: there is no such arm or replicate, it continues nothing, or its weights are gone.
    """
    number, winner = _replicate(run, evidence, arm, replicate), evidence.arms[arm]
    lane = winner.replicates[number]
    store = LaneStore(run.parent / LANES_FOLDER)
    weights = store.weights(lane.key)
    if weights is None:
        raise InputError(
            f"the weights of the {arm} arm's seed {lane.seed} are no longer in {store.folder}; "
            "run the sweep again"
        )
    return ExportedPredictor(
        arm=arm,
        structure=winner.config.structure,
        weights=weights,
        units=latent_units(data_of(evidence, winner)),
        origin={
            "study": evidence.study,
            "run": run.resolve().name,
            "replicate": number,
            "seed": lane.seed,
            "training": _training(winner, lane.seed),
            "parameters": lane.parameters,
            "data_hash": data_of(evidence, winner).get("hash", ""),
            "code": evidence.provenance.get("code", ""),
            **_verdict(run),
        },
    )


def latent_units(data: dict[str, Any]) -> LatentUnits:
    """The units of a run's latents, from their description in its record.

    Raises:
        InputError: the record lacks something, since an older version has written it.
    """
    try:
        return LatentUnits(
            representation=data["representation"],
            dim=data["dim"],
            frame_rate=data["frame_rate"],
            rms=data["rms"],
            lattice_step=data["lattice_step"],
            codec=data["codec"],
            codec_hash=data["codec_hash"],
            codec_weights=data["weights"],
        )
    except KeyError as missing:
        raise InputError(
            f"the record of the run says nothing of {missing} of its latents; run it again"
        ) from None


def _replicate(run: Path, evidence: Evidence, arm: str, replicate: int | None) -> int:
    if arm not in evidence.arms:
        raise InputError(f"{run} has no arm {arm!r}; it has {', '.join(evidence.arms) or 'none'}")
    winner = evidence.arms[arm]
    if winner.config.kind != PREDICTOR:
        raise InputError(
            f"the {arm} arm of {run} runs {winner.config.kind!r}, which continues no latents; only "
            "predictors do"
        )
    finished = _finished(winner)
    if not finished:
        raise InputError(f"{run} has no finished replicate of the {arm} arm; every one of them diverged")
    if replicate is not None and replicate not in finished:
        raise InputError(
            f"--replicate is {replicate}; the {arm} arm of {run} has finished {', '.join(map(str, finished))}"
        )
    return finished[0] if replicate is None else replicate


def _finished(arm: ArmEvidence) -> list[int]:
    return [i for i, lane in enumerate(arm.replicates) if lane.status == LaneStatus.FINISHED]


def data_of(evidence: Evidence, arm: ArmEvidence) -> dict[str, Any]:
    """The description of the latents that an arm runs on."""
    named = {data["representation"]: data for data in (evidence.data, *evidence.other_data)}
    return named.get(arm.config.structure.representation, evidence.data)


def _training(arm: ArmEvidence, seed: int) -> dict[str, Any]:
    """What the lane has of its own, by setting."""
    config = arm.config | {"seed": seed}
    return {name: getattr(config.lane, name) for name in config.lane.__dataclass_fields__}


def _verdict(run: Path) -> dict[str, Any]:
    """What the run has said, as its ``verdict.json`` holds it; nothing where it has not been judged."""
    try:
        judged = json.loads((run / "verdict.json").read_text())
    except (OSError, ValueError):
        return {}
    # What an older version did not write down is missing, and nothing else.
    criteria = [{name: each.get(name) for name in _OF_A_CRITERION} for each in judged["criteria"]]
    return {**{name: judged.get(name) for name in _OF_A_VERDICT}, "criteria": criteria}
