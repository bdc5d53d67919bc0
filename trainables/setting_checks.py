"""Checks of settings; each refuses with a sentence that names the setting, its value and what it must be."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from trainables.errors import InputError

# What settings have to be, by the type of their default.
_KINDS: dict[type, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
}


def require(settings: Any, name: str, holds: bool, wanted: str) -> None:
    """Refuse a setting unless a condition holds.

    Raises:
        InputError: it does not; ``wanted`` says what the setting must be.
    """
    if not holds:
        raise InputError(f"{name} is {getattr(settings, name)!r}; it must be {wanted}")


def require_kinds(settings: Any) -> None:
    """Refuse what is of another kind than a setting's default, such as text for a number.

    Raises:
        InputError: a setting is.
    """
    for field in fields(settings):
        if type(field.default) in _KINDS:
            kind, wanted = _KINDS[type(field.default)]
            value = getattr(settings, field.name)
            require(settings, field.name, isinstance(value, kind) and not isinstance(value, bool), wanted)
