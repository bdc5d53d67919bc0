"""How a command ends for its user: wrong input is one sentence, no traceback, and its own exit code.

What a command returns is its answer to a program, which ``--json`` prints
(:mod:`orchestrator.runtime.answers`).
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.runtime.answers import (
    JSON_PARAMETER,
    code_of,
    print_answer,
    said_elsewhere,
    was_answered,
    with_json_option,
)
from orchestrator.runtime.disk_space import unwritable
from orchestrator.runtime.exit_codes import ExitCode
from orchestrator.runtime.interrupts import (
    interrupt_on_signals,
    second_signal_ends_at_once,
    send_swallowed_interrupts_again,
)
from search_spaces.study import StudyError
from trainables.errors import InputError
from trainables.own_parts.registry import name_parts

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
    command: Callable[..., Any],
    example: str,
    resume: str = "run the same command again to resume",
    subcommands: Mapping[str, Callable[..., Any]] | None = None,
) -> None:
    """Run a typer-annotated function as this process's command; ``--help`` ends with ``example``.

    Where it has ``subcommands``, one of them is run, by its name.

    Exit codes are those of :class:`ExitCode`: 0 done, 1 an unforeseen error, 2 wrong input or a full disk
    (``error: <sentence>`` on stderr), 3 an INADMISSIBLE verdict, 4 Ctrl-C, SIGTERM or SIGHUP (``resume`` is
    the advice given), or whatever ``typer.Exit`` the command raises. Whoever interrupts twice does not wait
    for what is open to be closed.
    """
    interrupt_on_signals()
    send_swallowed_interrupts_again()
    try:
        application(command, example, resume, subcommands)()
    except SystemExit as ended:
        if ended.code == ExitCode.BAD_INPUT and "--json" in sys.argv and not was_answered():
            wrong = (
                f"{shlex.join(sys.argv[1:])} is not understood; standard error says why, and --help what is"
            )
            print_answer(sys.stdout, name_in(example), ExitCode.BAD_INPUT, wrong, None)
        raise


def application(
    command: Callable[..., Any],
    example: str,
    resume: str = "",
    subcommands: Mapping[str, Callable[..., Any]] | None = None,
) -> typer.Typer:
    """The command with its options and its help, ready to be called or parsed."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    # \b keeps the lines as they are, so that an example can be copied whole.
    epilog = f"Example:\n\n\b\n  {example}"
    if not subcommands:
        app.command(epilog=epilog)(guarded(command, resume, name_in(example)))
        return app
    app.callback(epilog=epilog)(command)
    for name, subcommand in subcommands.items():
        app.command(name)(guarded(subcommand, resume, f"{name_in(example)} {name}"))
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


def name_in(example: str) -> str:
    """The name of a command, as its example calls it: ``sweep`` of ``python -m orchestrator.sweep ...``."""
    words = example.split()
    return words[2].rpartition(".")[2] if len(words) > 2 else ""


def guarded(command: Callable[..., Any], resume: str, name: str = "") -> Callable[..., None]:
    """The same command with ``--json``, and with wrong input and interrupts as messages and exit codes."""

    @functools.wraps(command)
    def wrapper(*args: object, **kwargs: object) -> None:
        as_json = bool(kwargs.pop(JSON_PARAMETER, False))
        code, error, answer = ExitCode.FAULT, None, None
        with said_elsewhere(as_json) as out:
            try:
                with second_signal_ends_at_once():
                    _require_utf8()
                    _name_parts()
                    answer = command(*args, **kwargs)
                code = code_of(answer)
            except typer.Exit as ended:
                code, answer = ExitCode(ended.exit_code), getattr(ended, "answer", None)
            except (Exception, KeyboardInterrupt) as problem:
                code, error = _told(problem, resume)
                if code == ExitCode.FAULT:
                    raise  # with its traceback
            finally:
                if as_json:
                    print_answer(out, name, code, error, answer)
        if code:
            raise typer.Exit(code) from None

    with_json_option(command, wrapper)
    return wrapper


def _told(problem: BaseException, resume: str) -> tuple[ExitCode, str]:
    """The exit code and the sentence of what has ended a command; unless it is a fault, it is told."""
    if isinstance(problem, KeyboardInterrupt):
        _tell(f"\ninterrupted; {resume}")
        return ExitCode.INTERRUPTED, f"interrupted; {resume}"
    # A worker's exception arrives wrapped, its text a remote traceback; the cause has the sentence.
    known = isinstance(problem, InputError | StudyError)
    sentence = str(getattr(problem, "cause", problem)) if known else unwritable(problem)
    if sentence is None:
        return ExitCode.FAULT, f"{type(problem).__name__}: {problem}"
    _tell(f"error: {sentence}")
    return ExitCode.BAD_INPUT, sentence


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
