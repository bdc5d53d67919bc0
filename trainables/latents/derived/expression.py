"""What is asked for, "pca(32) of stack(4)", as the maps that do it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainables.errors import InputError
from trainables.latents.derived.maps import Map, Pca, Pool, Stack, Whiten

_MAKERS = {"pca": Pca, "stack": Stack, "pool": Pool}
_LEAST = {"pca": 1, "stack": 2, "pool": 2}
KNOWN = "pca(K), whiten, stack(N), pool(N), and one of another: 'pca(32) of stack(4)'"
_CALL = re.compile(r"([a-z]+)\((\d+)\)")


def parse(expression: str) -> list[Map]:
    """The maps in the order in which they are applied, not fitted yet.

    Raises:
        InputError: a part is unknown, or its number too small.
    """
    return [_map(part.strip(), expression) for part in reversed(re.split(r"\bof\b", expression))]


def derived_name(maps: Sequence[Map], base: str) -> str:
    """The representation's name: ``pca32(stack4(soundstream))``."""
    for step in maps:
        base = f"{step.name.replace('(', '').replace(')', '')}({base})"
    return base


def _map(part: str, expression: str) -> Map:
    if part == "whiten":
        return Whiten()
    found = _CALL.fullmatch(part)
    if found is None or found[1] not in _MAKERS:
        raise InputError(f"--as {expression!r}: {part!r} is unknown (known: {KNOWN})")
    name, count = found[1], int(found[2])
    if count < _LEAST[name]:
        raise InputError(f"--as {expression!r}: {part} must have at least {_LEAST[name]} (known: {KNOWN})")
    return _MAKERS[name](count)
