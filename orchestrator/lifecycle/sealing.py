"""The plan of a confirmation as it is sealed, exported and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection
from orchestrator.judging.verdict import TEST
from orchestrator.planning.plan import Plan
from orchestrator.records.code_versions import judge_version
from orchestrator.records.journal import Journal
from orchestrator.records.seal import NAME_SEPARATOR, SEAL_FILE, changes, read_seal
from search_spaces.study import declared
from trainables.errors import InputError
from trainables.latents.storage.dataset import Split
from trainables.predictor.config import LaneConfig


def stored_seal(study: str, path: Path) -> tuple[str, dict[str, Any]]:
    """The hash and the content of a seal file of a study.

    Raises:
        InputError: the file is no seal, or that of another study.
    """
    stored_hash, content = read_seal(path)
    name = content["study"]["name"]
    if name != study:
        raise InputError(f"{path} seals the study {name!r}, not {study!r}; name that study")
    return stored_hash, content


def seal_edits(folder: Path, content: dict[str, Any]) -> list[str]:
    """How the content of a seal file differs from the seal in the run's journal: a sentence each."""
    sealed = [event["seal"] for event in Journal(folder).events("sealed")]
    return [f"{SEAL_FILE} was edited: {change}" for seal in sealed[:1] for change in changes(seal, content)]


def export_seal(path: Path, content: dict[str, Any], stored_hash: str) -> None:
    """Write a seal to a new file.

    Raises:
        InputError: the file exists already, or cannot be written.
    """
    if path.exists():
        raise InputError(f"--export would overwrite {path}; name a file that does not exist")
    try:
        path.write_text(json.dumps({"hash": stored_hash, **content}, indent=1, ensure_ascii=False))
    except OSError as error:
        raise InputError(f"--export cannot write {path} ({error.strerror}); name another file") from None


def make_seal(
    plan: Plan, latents: LatentCollection, winners: Mapping[str, LaneConfig | None], code: str
) -> dict[str, Any]:
    """The seal: everything that confirmation depends on, as plain data."""
    settings = {arm: None if config is None else config.to_json() for arm, config in winners.items()}
    content = {
        "study": declared(plan.study),
        "arms": {
            arm.name: {"title": arm.title, "settings": settings.get(arm.name)} for arm in plan.study.arms
        },
        "test": TEST,
        "seeds": plan.confirm_seeds(),
        "data": {
            "hash": latents.content_hash,
            "representation": NAME_SEPARATOR.join(latents.representations),
            "test_speakers": latents.first.speakers(Split.TEST),
        },
        "code": code,
        "code_of_judge": judge_version(),
    }
    return json.loads(json.dumps(content))
