"""How a command ends for its user: wrong input is one sentence, no traceback, and its own exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable

import typer

from orchestrator.runtime.interrupts import interrupt_on_sigterm
from search_spaces.study import StudyError
from trainables.errors import InputError

BAD_INPUT, INTERRUPTED = 2, 130


def run(command: Callable[..., None], resume: str = "run the same command again to resume") -> None:
    """Run a typer-annotated function as this process's command.

    Exit codes: 0 done, 2 wrong input (``error: <sentence>`` on stderr), 130 interrupted by Ctrl-C or SIGTERM
    (``resume`` is the advice given), or whatever ``typer.Exit`` the command raises.
    """
    interrupt_on_sigterm()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(guarded(command, resume))
    app()


def guarded(command: Callable[..., None], resume: str) -> Callable[..., None]:
    """The same command, with wrong input and interrupts turned into messages and exit codes."""

    @functools.wraps(command)
    def wrapper(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except (InputError, StudyError) as error:
            # A worker's exception arrives wrapped, its text a remote traceback; the cause has the sentence.
            typer.echo(f"error: {getattr(error, 'cause', error)}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            typer.echo(f"\ninterrupted; {resume}", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return wrapper
