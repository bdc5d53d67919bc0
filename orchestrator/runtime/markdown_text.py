"""Text put into Markdown so that it stays text: names and reasons come from files of other people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def as_text(text: str) -> str:
    """The text on one line, in which no HTML, link, image or table cell can begin.

    Brackets and asterisks of intervals and sums are left as they are, so that the source can be read too.
    """
    line = " ".join(text.split())
    return line.replace("<", "&lt;").replace("](", "]\\(").replace("][", "]\\[").replace("|", "\\|")


def as_code(text: str) -> str:
    """The text on one line as inline code, in which backticks cannot end it."""
    return f"`{' '.join(text.split()).replace('`', chr(39)) or ' '}`"


def as_block(text: str) -> str:
    """The text on one line as a block of code."""
    return "    " + " ".join(text.split())


def as_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are text."""
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    lines += ["| " + " | ".join(map(as_text, row)) + " |" for row in rows]
    return "\n".join(lines)
