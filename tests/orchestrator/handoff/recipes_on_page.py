"""The pieces of code on docs/handoff.md, to be carried out."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).parents[3] / "docs" / "handoff.md"
_BLOCK = re.compile(r"<!-- recipe: (?P<mark>.+?) -->\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def recipes_on_page(mark: str) -> list[tuple[str, str]]:
    """Kind ("sh" or "python") and text of each piece with this mark, in order."""
    return [
        (each["kind"], each["text"]) for each in _BLOCK.finditer(_PAGE.read_text()) if each["mark"] == mark
    ]
