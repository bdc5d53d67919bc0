"""The assay: control worlds, whose answers are known, through the code that every verdict comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import search_spaces
from orchestrator.records.code_versions import full_version
from orchestrator.records.evidence import Assay
from orchestrator.records.journal import Journal
from search_spaces.study import Study
from trainables.errors import InputError


def assays(study: Study, out: Path, workers: int, run: Callable[[str, Path], object]) -> list[Assay]:
    """The assays of the control worlds that a study cites.

    Each world is run by ``run(world, folder)``, unless this very code has run it on as many workers before.
    """
    version = full_version()[:12] + (f"-{workers}-workers" if workers > 1 else "")
    folders = {world: out / f"{study.assay}-{world}-{version}" for world in study.controls}
    return [_assay(world, expected, folders[world], run) for world, expected in study.controls.items()]


def assay_study(study: Study) -> Study:
    """The study that is asked of the control worlds of a study."""
    return search_spaces.load(study.assay)


def _assay(world: str, expected: str, folder: Path, run: Callable[[str, Path], object]) -> Assay:
    journal = Journal(folder)
    with journal.held(wait=True):  # another sweep may be running it just now
        if not journal.answered():
            run(world, folder)
    try:
        judged = json.loads((folder / "verdict.json").read_text())
        return Assay(world, expected, judged["verdict"], judged["reason"], full_version(), folder.name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'verdict.json'} cannot be read ({type(error).__name__}); delete {folder}, and the "
            "control world is asked again"
        ) from error
