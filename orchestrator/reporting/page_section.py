"""The sections that a page is made of: each has a template, and content of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from markupsafe import Markup

from orchestrator.reporting.templating import render


class Picture(NamedTuple):
    """A figure, and what it shows in words."""

    figure: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of a page: where a link leads to, what the link is called, and what its template shows."""

    anchor: str
    title: str
    template: str  # a file of ``templates/``
    content: Mapping[str, Any]  # what the template reads, by name

    @cached_property
    def html(self) -> Markup:
        """The section as a fragment of a page."""
        return Markup(render(self.template, **self.content))


def each_representation(
    records: Mapping[str, Mapping[str, Any]],
    context: Callable[[Mapping[str, Any], float, str], dict[str, Any] | None],
    level: float,
    anchor: str,
) -> list[dict[str, Any]]:
    """What ``context`` makes of the record of each representation, with ids of its own.

    The first keeps the plain ``anchor``. ``representation`` names it where there are several, else is empty.
    """
    parts: list[dict[str, Any]] = []
    for representation, record in records.items():
        part = context(record, level, f"{anchor}-{len(parts) + 1}" if parts else anchor)
        if part is not None:
            parts.append({**part, "representation": representation if len(records) > 1 else ""})
    return parts
