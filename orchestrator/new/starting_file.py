"""Files to begin with: a study, a head or a codec that passes its check and is to be changed."""

from __future__ import annotations

import keyword
from enum import StrEnum
from importlib.machinery import PathFinder
from importlib.resources import files
from pathlib import Path
from string import Template

import search_spaces
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError


class Beginning(StrEnum):
    """What can be begun."""

    STUDY = "study"
    HEAD = "head"
    CODEC = "codec"


def starting_text(what: Beginning, name: str) -> str:
    """The text of the file."""
    text = (files("orchestrator.new") / "templates" / f"{what}.py.txt").read_text()
    return Template(text).substitute(name=name, class_name=class_name(name))


def class_name(name: str) -> str:
    """The name of the class in a file: MyHead for my_head."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def write_starting_file(what: Beginning, name: str, folder: Path) -> Path:
    """Write NAME.py into a folder, and return its path.

    Raises:
        InputError: the name is none for a module, is that of another, or the file exists.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii() or name.startswith("_"):
        raise InputError(
            f"NAME is {name!r}; it must be made of letters, digits and _, begin with a letter and be no word "
            f"of Python's own, such as my_{what}"
        )
    path = folder / f"{name}.py"
    if path.exists():
        raise InputError(f"{path} exists already; name another, or another folder with --out")
    if what is Beginning.STUDY and name in search_spaces.names():
        raise InputError(f"NAME is {name!r}, which is a study of this project; name yours otherwise")
    if what is not Beginning.STUDY and PathFinder.find_spec(name) is not None:
        raise InputError(f"NAME is {name!r}, which is the name of an installed module; name yours otherwise")
    folder.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, starting_text(what, name))
