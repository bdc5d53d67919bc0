"""The plan of a confirmation as it is sealed, exported and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection
from orchestrator.judging.verdict import TEST
from orchestrator.lifecycle.prml_manifest import prml_manifest, write_manifest
from orchestrator.planning.plan import Plan, shrunk
from orchestrator.records.code_versions import judge_version
from orchestrator.records.journal import Journal
from orchestrator.records.run_folders import is_smoke_run
from orchestrator.records.seal import NAME_SEPARATOR, SEAL_FILE, as_sealed, changes, read_seal, seal_hash
from search_spaces.study import Study, declared
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import Split


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


def changes_since(stored_hash: str, content: dict[str, Any], study: Study, folder: Path | None) -> list[str]:
    """Whatever has changed since a plan was sealed, a sentence each; empty where nothing has.

    Args:
        stored_hash: the hash that the seal carries.
        content: what the seal holds now.
        study: the study as it is declared now.
        folder: the run that was sealed; None for a seal that was shared, whose journal is elsewhere.
    """
    asked = as_sealed(study, content)
    now = {"study": declared(shrunk(asked) if is_smoke_run(folder) else asked)}
    differences = changes({"study": content["study"]}, now)
    if stored_hash != seal_hash(content):
        differences.insert(0, "the file was edited: it does not have the hash that it carries.")
    edits = _seal_edits(folder, content) if folder else []
    return differences + [edit for edit in edits if edit not in differences]


def _seal_edits(folder: Path, content: dict[str, Any]) -> list[str]:
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


def export_prml(path: Path, content: dict[str, Any], folder: Path, producer: str) -> str:
    """Write a seal as a PRML manifest too, beside its export; return where, and its hash.

    Raises:
        InputError: the plan has no such form, or the run does not say when it was sealed.
    """
    sealed = Journal(folder).events("sealed")
    if not sealed:
        raise InputError(f"{folder} does not say when its plan was sealed; leave --producer out")
    manifest = path.with_suffix(".prml.yaml")
    digest = write_manifest(manifest, prml_manifest(content, sealed[0]["time"], producer))
    return f"{manifest}, sha256 {digest}"


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
