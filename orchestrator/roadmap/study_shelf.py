"""The map of a roadmap and its studies: those of this project, or a user's own in files side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import search_spaces
from orchestrator.records.study_file import attribute_of, load_study, module_from
from search_spaces.roadmap import ROADMAP, Roadmap
from search_spaces.study import Study
from trainables.errors import InputError


@dataclass(frozen=True)
class StudyShelf:
    """Studies by the names that a map gives them: those of this project, else NAME.py in ``folder``."""

    folder: Path | None = None

    def load(self, name: str) -> Study:
        """The study of that name, as it is declared.

        Raises:
            InputError: it is a user's own and has an error, or its file declares another.
            StudyError: there is no study of that name.
        """
        path = self.path(name)
        study = load_study(name if path is None else str(path))
        if study.name != name:
            raise InputError(f"{path} declares the study {study.name!r}; call file and step alike")
        return study

    def path(self, name: str) -> Path | None:
        """The user's file that declares a study; None of a study of this project."""
        own = None if self.folder is None else self.folder / f"{name}.py"
        return own if own is not None and own.is_file() and name not in search_spaces.names() else None


OURS = StudyShelf()


def opened_map(file: Path | None) -> tuple[Roadmap, StudyShelf]:
    """The roadmap of this project, or the ``ROADMAP`` of a user's file, whose own studies lie beside it.

    Raises:
        InputError: the file cannot be read or executed, or has no roadmap.
    """
    if file is None:
        return ROADMAP, OURS
    return attribute_of(module_from(file), file, "ROADMAP", Roadmap), StudyShelf(file.parent)
