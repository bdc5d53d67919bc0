"""An arm's winner written into a folder of its own: weights, settings and model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.handoff.data_licence import licence_of
from orchestrator.handoff.model_card import model_card
from orchestrator.handoff.winners import data_of, trained_predictor
from orchestrator.records.evidence import Evidence
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError
from trainables.predictor.exported import SETTINGS_FILE, predictor_files

CARD_FILE = "README.md"


def write_export(
    run: Path,
    evidence: Evidence,
    arm: str,
    folder: Path,
    *,
    replicate: int | None = None,
    licence: str | None = None,
) -> dict[str, Any]:
    """Write the winner of an arm into ``folder``, and return where it comes from, as ``predictor.json`` says.

    An exported predictor that lies there is replaced.

    Args:
        run: the folder of the run.
        evidence: its record.
        arm: by name.
        folder: to be written.
        replicate: which of the arm's replicates; by default the first that has finished.
        licence: of the data, in words; by default what can be found out about it.

    Raises:
        InputError: there is nothing to export, or the folder holds something else.
    """
    if (
        folder.exists()
        and not (folder / SETTINGS_FILE).exists()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise InputError(f"{folder} holds something else than an exported predictor; name another folder")
    predictor = trained_predictor(run, evidence, arm, replicate)
    data = data_of(evidence, evidence.arms[arm])
    words = licence or licence_of(data)
    origin = {**predictor.origin, "licence_of_data": words}
    for name, content in predictor_files(replace(predictor, origin=origin)).items():
        write_atomically(folder / name, content)
    write_atomically(folder / CARD_FILE, model_card(predictor, folder.name, data, words))
    return origin
