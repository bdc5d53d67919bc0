"""What the machines of a cluster need of a user's own parts: their packages, and what was named here."""

from __future__ import annotations

from typing import Any

from trainables.errors import InputError
from trainables.own_parts.registry import NAMED, PartKind, installed_parts, named_parts
from trainables.own_parts.source import package_of


def own_environment() -> dict[str, Any]:
    """Ray's ``runtime_env`` for the parts that the user has named or installed; empty where there are none.

    A private Ray needs none: its processes have the paths and the environment of the one that started it.

    Raises:
        InputError: a part lies in something that cannot be sent.
    """
    installed = [value.partition(" ")[0] for kind in PartKind for value in installed_parts(kind).values()]
    packages = []
    for reference in [*named_parts(), *installed]:
        try:
            packages.append(str(package_of(reference)))
        except InputError as error:
            raise InputError(
                f"{error}; only a folder or file of Python source can be sent to the machines of a cluster, "
                f"so make a package of {reference.partition(':')[0]!r}, or leave --address out"
            ) from None
    if not packages:
        return {}
    return {"py_modules": list(dict.fromkeys(packages)), "env_vars": {NAMED: " ".join(named_parts())}}
