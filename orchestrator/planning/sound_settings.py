"""A study's settings, tried out before training: what is fixed, and the ends of what is searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.planning.plan import Plan
from orchestrator.records.study_file import line_of
from search_spaces.domains import Choice, Domain
from search_spaces.study import REFERENCE
from trainables.errors import InputError


def require_sound_settings(plan: Plan, file: Path | None) -> None:
    """Refuse a study with a setting that is unknown or wrong, or that clashes with another.

    Raises:
        InputError: it has one; of a user's study the sentence begins with the line of its ``file`` that
            names it.
    """
    for arm in plan.study.arms:
        for settings in _tried(plan.fixed(arm), plan.space(arm)):
            if settings.get("representation") == REFERENCE:  # not known before there are latents
                continue
            try:
                plan.lane_config(settings)
            except InputError as error:
                if file is None:
                    raise
                raise InputError(f"{file}, line {line_of(file, str(error))}: {error}") from None


def _tried(fixed: Mapping[str, Any], space: Mapping[str, Domain]) -> Iterator[dict[str, Any]]:
    """The first value of every domain, and then every other end or option of each in its place."""
    first = {**fixed, **{name: _ends(domain)[0] for name, domain in space.items()}}
    yield first
    for name, domain in space.items():
        yield from ({**first, name: value} for value in _ends(domain)[1:])


def _ends(domain: Domain) -> tuple[Any, ...]:
    return domain.options if isinstance(domain, Choice) else (domain.low, domain.high)
