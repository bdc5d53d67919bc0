"""Control worlds through the same code: what every verdict cites before it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import search_spaces
from orchestrator.records.code_versions import full_version
from orchestrator.records.evidence import Assay
from orchestrator.records.journal import Journal
from search_spaces.study import Study

STUDY = "assay"


def assays(study: Study, out: Path, workers: int, run: Callable[[str, Path], object]) -> list[Assay]:
    """The control worlds that a study cites, each run by ``run(world, folder)`` unless this very code, on as
    many workers, has run it before.
    """
    version = full_version()[:12] + (f"-{workers}-workers" if workers > 1 else "")
    folders = {world: out / f"{STUDY}-{world}-{version}" for world in study.controls}
    return [_assay(world, expected, folders[world], run) for world, expected in study.controls.items()]


def assay_study() -> Study:
    """The study that control worlds are asked."""
    return search_spaces.load(STUDY)


def _assay(world: str, expected: str, folder: Path, run: Callable[[str, Path], object]) -> Assay:
    journal = Journal(folder)
    with journal.held(wait=True):  # another sweep may be running it just now
        if not journal.answered():
            run(world, folder)
    told = json.loads((folder / "verdict.json").read_text())
    return Assay(world, expected, told["verdict"], told["reason"], full_version(), folder.name)
