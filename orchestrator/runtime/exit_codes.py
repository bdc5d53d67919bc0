"""The numbers that a command ends with."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for scripts and programs."""

    DONE = 0  # what was asked for is there, such as a verdict
    FAULT = 1  # an error that nobody foresaw, or nothing came out
    BAD_INPUT = 2  # wrong input, or something around the command that its user has to mend
    INADMISSIBLE = 3  # there is a verdict, and no conclusion may be drawn from it
    INTERRUPTED = 4  # Ctrl-C, SIGTERM or SIGHUP
