"""Begin a study, a head or a codec of your own: ``python -m orchestrator.new head my_head``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from orchestrator.new.starting_file import Beginning, class_name, write_starting_file
from orchestrator.runtime import cli

EXAMPLE = "python -m orchestrator.new head my_head"


class NewAnswer(TypedDict):
    """The file that was written, and what ``check`` calls that which is in it."""

    path: str
    check: str


def new(
    what: Annotated[Beginning, typer.Argument(help="What to begin: a study, a head or a codec.")],
    name: Annotated[str, typer.Argument(help="Its name, which is that of the file too.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
) -> NewAnswer:
    """Write a commented file to begin with, NAME.py, that works as it stands.

    It is a study, or a head or a codec that studies can name as NAME:CLASS.
    """
    path = write_starting_file(what, name, out)
    shown = path.name if what is Beginning.STUDY else f"{name}:{class_name(name)}"
    typer.echo(f"wrote {path}; examine it, in that folder, with: python -m orchestrator.check {shown}")
    return {"path": str(path), "check": shown}


def main() -> None:
    """Run the command ``python -m orchestrator.new``."""
    cli.run(new, EXAMPLE)


if __name__ == "__main__":
    main()
