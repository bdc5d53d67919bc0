"""Control worlds through the same code: what every verdict cites before it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import search_spaces
from orchestrator.evidence import Assay
from orchestrator.journal import Journal, full_version
from search_spaces.study import Study

STUDY = "assay"


def assays(study: Study, out: Path, run: Callable[[str, Path], object]) -> list[Assay]:
    """The control worlds that a study cites, each run by ``run(world, folder)`` unless this very code has run
    it before.
    """
    return [_assay(world, expected, out, run) for world, expected in study.controls.items()]


def assay_study() -> Study:
    """The study that control worlds are asked."""
    return search_spaces.load(STUDY)


def _assay(world: str, expected: str, out: Path, run: Callable[[str, Path], object]) -> Assay:
    folder = out / f"{STUDY}-{world}-{full_version()[:12]}"
    journal = Journal(folder)
    with journal.held(wait=True):  # another sweep may be running it just now
        if not journal.answered():
            run(world, folder)
    told = json.loads((folder / "verdict.json").read_text())
    return Assay(world, expected, told["verdict"], told["reason"], full_version(), folder.name)
