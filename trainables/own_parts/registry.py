"""Parts that users bring: heads, backbones, codecs, trainables, control worlds and metrics, by name.

A part goes by the name of an entry point of an installed package (``latent_verdict.heads`` and so on), or by
``module:attribute``. The code behind ``module:attribute`` is imported only where the user has named it: on
the command line, in a study that stands there, or in the environment variable ``LATENT_VERDICT_PARTS``. That
it is named by a run folder or by latents is no reason to run it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from trainables.errors import InputError
from trainables.own_parts.failure import place_and_error

Instance = TypeVar("Instance")
# The references that users have named, with spaces between them; in the environment, so that the processes
# that a command starts know them too.
NAMED = "LATENT_VERDICT_PARTS"
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class PartKind(StrEnum):
    """The kinds of parts that users may bring."""

    HEAD = "head"
    BACKBONE = "backbone"
    CODEC = "codec"
    TRAINABLE = "trainable"
    WORLD = "world"
    METRIC = "metric"

    @property
    def group(self) -> str:
        """The group of entry points under which packages register such parts."""
        return f"latent_verdict.{self}s"


def is_reference(name: object) -> bool:
    """Whether a name has the form ``module:attribute``."""
    return isinstance(name, str) and bool(_REFERENCE.fullmatch(name))


def is_own_part(kind: PartKind, name: object) -> bool:
    """Whether a name stands for a part that a user brings; nothing is imported."""
    return is_reference(name) or name in installed_parts(kind)


@cache
def installed_parts(kind: PartKind) -> dict[str, str]:
    """The parts that installed packages register, by name: ``module:attribute`` of each."""
    return {entry.name: entry.value for entry in sorted(entry_points(group=kind.group))}


def name_parts(names: Iterable[object]) -> None:
    """Let the code of those names be imported that have the form ``module:attribute``: a user named them."""
    known = named_parts()
    new = [str(name) for name in names if is_reference(name) and name not in known]
    if new:
        os.environ[NAMED] = " ".join(dict.fromkeys([*known, *new]))


def named_parts() -> list[str]:
    """The references that a user has named."""
    return os.environ.get(NAMED, "").split()


def import_from(folder: Path) -> None:
    """Let modules in a folder be imported, here and in the processes that are started from here."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if path not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*paths, path]))


def reference_of(kind: PartKind, name: str) -> str:
    """The ``module:attribute`` that a name stands for.

    Raises:
        InputError: it stands for none.
    """
    if is_reference(name):
        return name
    if name not in installed_parts(kind):
        known = ", ".join(installed_parts(kind)) or "none"
        raise InputError(
            f"{kind} {name!r} is unknown; write module:attribute, or install a package that registers it "
            f"under {kind.group} (installed: {known})"
        )
    return installed_parts(kind)[name].partition(" ")[0]


def load_part(kind: PartKind, name: str) -> Any:
    """The part of a user's that a name stands for; its module is imported.

    Raises:
        InputError: no user has named it, it cannot be imported, or its module has no such attribute.
    """
    reference = reference_of(kind, name)
    if is_reference(name) and name not in named_parts():
        raise InputError(
            f"{kind} {name!r} is named by a record alone, which runs no code; set {NAMED}={name} to run it, "
            f"or install a package that registers it under {kind.group}"
        )
    module_name, _, attribute = reference.partition(":")
    try:
        found: Any = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{kind} {name!r} cannot be imported: {place_and_error(error)}") from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            file = getattr(found, "__file__", module_name)
            raise InputError(f"{kind} {name!r} is not there: {file} has no {attribute}")
        found = getattr(found, part)
    return found


def made_instance(expected: type[Instance], kind: PartKind, name: str, *arguments: Any) -> Instance:
    """What the part of a user's makes of some arguments, which has to be an instance of a class.

    Raises:
        InputError: as for :func:`made_part`; or it is something else.
    """
    made = made_part(kind, name, *arguments)
    if not isinstance(made, expected):
        raise InputError(
            f"{kind} {name!r} makes a {type(made).__name__}; it must be a {expected.__name__} of "
            f"{expected.__module__}"
        )
    return made


def made_part(kind: PartKind, name: str, *arguments: Any) -> Any:
    """What the part of a user's makes of some arguments.

    Raises:
        InputError: there is no such part, it cannot be called, or it fails.
    """
    part = load_part(kind, name)
    if not callable(part):
        raise InputError(f"{kind} {name!r} is a {type(part).__name__}; it must be a class or a function")
    try:
        return part(*arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{kind} {name!r} cannot be made: {place_and_error(error)}") from error
