"""Where code that a user wrote has failed: file, line and error, in one clause."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_OURS = tuple(
    str(Path(__file__).parents[2] / name) for name in ("orchestrator", "search_spaces", "trainables")
)
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


def place_and_error(error: BaseException) -> str:
    """The place and the kind of an error in a user's code: "my_head.py, line 3: NameError: ...".

    Where several functions had called each other, the place is the innermost one that lies neither in this
    project nor in a library.
    """
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {kind}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", *_OURS, *_LIBRARIES))
    ]
    place = f"{frames[-1].filename}, line {frames[-1].lineno}: " if frames else ""
    message = " ".join(str(error).split())
    return f"{place}{kind}: {message}" if message else f"{place}{kind}"
