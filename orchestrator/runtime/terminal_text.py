"""Text for a terminal, broken into lines that fit it."""

from __future__ import annotations

import shutil
import textwrap

_WIDEST = 110  # longer lines are hard to read


def wrapped(text: str, *, indent: int = 0, hanging: int = 0) -> list[str]:
    """The lines of one paragraph, none wider than the terminal unless a single word is.

    Args:
        text: the paragraph; spaces inside its first line are kept.
        indent: spaces before the first line.
        hanging: spaces before all others.
    """
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
