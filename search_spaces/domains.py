"""Domains of a search space, as data; a sampler such as Optuna's draws from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Uniform:
    """A real number between ``low`` and ``high``; with ``log`` its logarithm is uniform."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Integer:
    """A whole number between ``low`` and ``high``, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of ``options``.

    With ``each``, every option is tried, in every combination with those of other such choices, before any is
    tried again.
    """

    options: tuple[Any, ...]
    each: bool = False


Domain = Uniform | Integer | Choice
