"""The predictors that a command names: those of a run's winners, or one that was exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.handoff.winners import continuing_arms, trained_predictor
from orchestrator.records.evidence import Evidence
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.base import Codec
from trainables.predictor.exported import SETTINGS_FILE, ExportedPredictor, LatentUnits, load_predictor


def opened_predictors(run: Path, arms: Sequence[str], replicate: int | None) -> list[ExportedPredictor]:
    """The predictors of some arms of a run folder, or that of an exported folder.

    Args:
        run: the folder.
        arms: by name; of all that continue latents where none is named.
        replicate: which of each arm's replicates; by default the first that has finished.

    Raises:
        InputError: the folder is neither, or has no such arm or replicate.
    """
    if (run / SETTINGS_FILE).exists():
        predictor = load_predictor(run)
        for arm in arms:
            if arm != predictor.arm:
                raise InputError(f"{run} has no arm {arm!r}; it is an exported {predictor.arm}")
        if replicate is not None:
            raise InputError(f"--replicate is {replicate}, and {run} holds one replicate; leave it out")
        return [predictor]
    if not (run / "evidence.json").exists():
        raise InputError(f"{run} is neither a run that has ended (evidence.json) nor an exported predictor")
    evidence = Evidence.read(run / "evidence.json")
    named = list(dict.fromkeys(arms)) or continuing_arms(evidence)
    if not named:
        raise InputError(f"{run} has no arm that continues latents, or none that was trained to its end")
    return [trained_predictor(run, evidence, arm, replicate) for arm in named]


def codec_of(units: LatentUnits, weights: str | None) -> Codec:
    """The codec that a predictor's latents were made with.

    Args:
        units: of the predictor.
        weights: of the codec; by default those that are known of it.

    Raises:
        InputError: there is none, or its weights are gone or are others.
    """
    if units.codec is None:
        raise InputError(
            f"no codec makes {units.representation} latents or decodes them; continue latents of a folder, "
            "and write latents: --out NAME.npy"
        )
    codec = load_codec(units.codec, weights or units.codec_weights)
    if codec.hash != units.codec_hash:
        raise InputError(
            f"the codec {units.codec} has hash {codec.hash} here, and the predictor knows latents of "
            f"{units.codec_hash}; name its weights with --weights"
        )
    return codec
