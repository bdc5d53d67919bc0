"""Studies by name or by file: a user's own study is a file with a ``STUDY``, anywhere.

A user's file is executed only where the user names it. Its copy in a run folder is compared with it, and
never executed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import search_spaces
from search_spaces.study import Study
from trainables.errors import InputError
from trainables.lane_config import PART_SETTINGS
from trainables.own_parts.failure import place_and_error
from trainables.own_parts.registry import import_from, name_parts

STUDY_COPY = "study.py"  # in a run folder


def study_path(study: str) -> Path | None:
    """The file that a user means by a study's name; None of a study of this project."""
    return Path(study) if study.endswith(".py") or "/" in study else None


def load_study(study: str) -> Study:
    """A study by its name, or by the path of a user's file that declares it as ``STUDY``.

    What modules lie beside that file can be imported from now on, and the parts that it names may be run:
    those in the settings of its arms, and those that it lists as ``PARTS``.

    Raises:
        InputError: the file cannot be read or executed, has no study, or one with the name of another.
        StudyError: there is no study of that name.
    """
    path = study_path(study)
    if path is None:
        return search_spaces.load(study)
    module = module_from(path)
    declared = attribute_of(module, path, "STUDY", Study)
    if not re.fullmatch(r"[A-Za-z][\w-]*", declared.name) or declared.name in search_spaces.names():
        raise InputError(
            f"{path}{_line(path, declared.name)}: the study's name is {declared.name!r}; it must be made of "
            "letters, digits and _, and none that a study of this project has"
        )
    name_parts([*_named_in(declared), *getattr(module, "PARTS", ())])
    return replace(declared, file_hash=hashlib.sha256(path.read_bytes()).hexdigest())


def study_of_record(name: str, file: Path | None = None) -> Study:
    """The study that a run's records name, as it is declared now; a user's own is in the file that they name.

    Raises:
        InputError: it is a user's own and ``file`` is None, or ``file`` declares another.
        StudyError: there is no study of that name.
    """
    if file is not None:
        study = load_study(str(file) if file.suffix == ".py" else f"./{file}")
        if study.name != name:
            raise InputError(f"{file} declares the study {study.name!r}, and this run answers {name!r}")
        return study
    if name not in search_spaces.names():
        raise InputError(
            f"{name!r} is no study of this project; give --study PATH, the file that declares it, or another "
            f"run (studies: {', '.join(search_spaces.names())})"
        )
    return search_spaces.load(name)


def module_from(path: Path) -> ModuleType:
    """A user's file, executed.

    Raises:
        InputError: it cannot be read, or fails; the sentence says in which line.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; name a file that does, or a study that sweep --list names")
    import_from(path.parent)
    spec = importlib.util.spec_from_file_location(f"own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for themselves there
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing is left beside the user's file
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(place_and_error(error)) from None
    finally:
        sys.dont_write_bytecode = written
    return module


def attribute_of(module: ModuleType, path: Path, name: str, kind: type[Any]) -> Any:
    """What a user's file declares under a name.

    Raises:
        InputError: it declares nothing there, or something else.
    """
    where = f"{kind.__module__}.{kind.__name__}"
    if not hasattr(module, name):
        raise InputError(
            f"{path}, line 1: there is no {name}; the file has to say {name} = {kind.__name__}(...)"
        )
    value = getattr(module, name)
    if not isinstance(value, kind):
        raise InputError(
            f"{path}{_line(path, name)}: {name} is a {type(value).__name__}; it must be a {where}"
        )
    return value


def keep_copy(path: Path | None, folder: Path) -> None:
    """Copy a user's file into a new run folder."""
    if path is not None:
        shutil.copyfile(path, folder / STUDY_COPY)


def require_copy(path: Path | None, folder: Path) -> None:
    """Refuse to go on with a run whose copy of a user's file is not what the file is now.

    Raises:
        InputError: they differ, or the copy is gone.
    """
    if path is None:
        return
    copy = folder / STUDY_COPY
    if not copy.is_file() or copy.read_bytes() != path.read_bytes():
        raise InputError(
            f"--resume cannot continue {folder}: {path} is not the study that it began with, which "
            f"{copy.name} there holds; put that back, or leave --resume out to start afresh"
        )


def line_of(path: Path, words: str) -> int:
    """The first line of a file that names a word of a sentence, the first of them that it names; 1 where it
    names none.
    """
    lines = path.read_text(errors="replace").splitlines()
    for word in re.findall(r"\w+", words):
        for number, line in enumerate(lines, 1):
            if re.search(rf"[\"']{re.escape(word)}[\"']|\b{re.escape(word)}\s*=", line):
                return number
    return 1


def _line(path: Path, word: str) -> str:
    return f", line {line_of(path, word)}"


def _named_in(study: Study) -> list[str]:
    """What the arms of a study name where a part of a user's may stand."""
    named = [arm.trainable for arm in study.arms]
    for settings in (study.fixed, study.space, *(s for arm in study.arms for s in (arm.fixed, arm.space))):
        for name in PART_SETTINGS:
            value = settings.get(name, "")
            options = getattr(value, "options", [value])
            named += [part.strip() for option in options for part in str(option).split(",")]
    return [*named, *study.controls]
