"""How a command ends for its user: wrong input is one sentence, no traceback, and its own exit code."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.runtime.disk_space import unwritable
from orchestrator.runtime.interrupts import (
    interrupt_on_signals,
    second_signal_ends_at_once,
    send_swallowed_interrupts_again,
    signal_of,
)
from search_spaces.study import StudyError
from trainables.errors import InputError
from trainables.own_parts.registry import name_parts

BAD_INPUT, INTERRUPTED = 2, 128  # to the latter the number of the signal is added

# Options that several commands have.
Address = Annotated[
    str | None, typer.Option(help="Ray cluster to use, such as auto; by default Ray is started here.")
]
Price = Annotated[float | None, typer.Option(help="Price of one device for an hour, to say what it costs.")]
Seed = Annotated[int, typer.Option(help="Number from which all seeds are derived.")]
Effort = Annotated[
    str,
    typer.Option(
        help="How long and how large to train: quick, standard (to convergence), thorough (for a GPU)."
    ),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", help="Any setting as NAME=VALUE, the same in every arm; again, for more."),
]
StudyFile = Annotated[
    Path | None, typer.Option("--study", help="The file that declares RUN's study, where it is your own.")
]
Smoke = Annotated[
    bool,
    typer.Option("--smoke", help="Walk the whole path with tiny budgets; what comes out is no evidence."),
]


def run(
    command: Callable[..., None],
    example: str,
    resume: str = "run the same command again to resume",
    subcommands: Mapping[str, Callable[..., None]] | None = None,
) -> None:
    """Run a typer-annotated function as this process's command; ``--help`` ends with ``example``.

    Where it has ``subcommands``, one of them is run, by its name.

    Exit codes: 0 done, 2 wrong input or a full disk (``error: <sentence>`` on stderr), 130 Ctrl-C,
    143 SIGTERM, 129 SIGHUP (``resume`` is the advice given), or whatever ``typer.Exit`` the command raises.
    Whoever interrupts twice does not wait for what is open to be closed.
    """
    interrupt_on_signals()
    send_swallowed_interrupts_again()
    application(command, example, resume, subcommands)()


def application(
    command: Callable[..., None],
    example: str,
    resume: str = "",
    subcommands: Mapping[str, Callable[..., None]] | None = None,
) -> typer.Typer:
    """The command with its options and its help, ready to be called or parsed."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    # \b keeps the lines as they are, so that an example can be copied whole.
    epilog = f"Example:\n\n\b\n  {example}"
    if not subcommands:
        app.command(epilog=epilog)(guarded(command, resume))
        return app
    app.callback(epilog=epilog)(command)
    for name, subcommand in subcommands.items():
        app.command(name)(guarded(subcommand, resume))
    return app


def parsed_settings(given: Sequence[str]) -> dict[str, Any]:
    """Settings given as NAME=VALUE: a value is read as JSON where it is JSON, and is text elsewhere.

    Raises:
        InputError: one has no name, or a name comes twice.
    """
    settings: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals):
            raise InputError(f"--set is {text!r}; write it as NAME=VALUE, such as --set width=128")
        if name in settings:
            raise InputError(f"--set names {name} twice; give it once")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = {"True": True, "False": False}.get(value, value)
    return settings


def guarded(command: Callable[..., None], resume: str) -> Callable[..., None]:
    """The same command, with wrong input and interrupts turned into messages and exit codes."""

    @functools.wraps(command)
    def wrapper(*args: object, **kwargs: object) -> None:
        try:
            _require_utf8()
            _name_parts()
            with second_signal_ends_at_once():
                command(*args, **kwargs)
        except (InputError, StudyError) as error:
            # A worker's exception arrives wrapped, its text a remote traceback; the cause has the sentence.
            _tell(f"error: {getattr(error, 'cause', error)}")
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt as interrupt:
            _tell(f"\ninterrupted; {resume}")
            raise typer.Exit(INTERRUPTED + signal_of(interrupt)) from None
        except typer.Exit:
            raise
        except Exception as error:
            if (sentence := unwritable(error)) is None:
                raise
            _tell(f"error: {sentence}")
            raise typer.Exit(BAD_INPUT) from None

    return wrapper


def _require_utf8() -> None:
    """Refuse words and a working folder that are not UTF-8: neither records nor pages could hold them."""
    names = [*sys.argv]
    with suppress(OSError):  # the folder is gone
        names.append(os.getcwd())
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(name).decode(errors="backslashreplace")
            raise InputError(f"the name {shown} is not UTF-8; rename it") from None


def _name_parts() -> None:
    """Let the code be run that the command line names as module:attribute, perhaps behind a = or control:."""
    words = [word.rpartition("=")[2].removeprefix("control:") for word in sys.argv[1:]]
    name_parts(part for word in words for part in word.split(","))


def _tell(text: str) -> None:
    with suppress(OSError):  # a terminal that was closed
        typer.echo(text, err=True)
