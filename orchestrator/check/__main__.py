"""Examine what you bring: ``python -m orchestrator.check mypkg.heads:MyHead``."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.runtime import cli
from trainables.own_parts.registry import PartKind

EXAMPLE = "python -m orchestrator.check mypkg.heads:MyHead"
BROKEN = 1  # exit code where something does not hold


def check(
    what: Annotated[
        str,
        typer.Argument(help="A part as module:attribute, the name of an installed one, or a study's file."),
    ],
    kind: Annotated[
        PartKind | None, typer.Option("--as", help="What it is, where that cannot be told.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights of a codec that needs some.")] = None,
    settings: cli.Settings = [],  # noqa: B006
) -> None:
    """Say in sentences what a head, backbone, codec, trainable, control world, metric or study of yours does
    not keep of what every such part keeps.

    The exit code is 0 where everything holds, 1 where something does not, 2 for wrong input.
    """
    from orchestrator.records.study_file import study_path

    given = cli.parsed_settings(settings)
    if study_path(what) is not None:
        from orchestrator.check.studies import examined_study

        typer.echo(examined_study(what, given))
        return
    from orchestrator.check.parts import examined

    kept = True
    for promise, sentences in examined(what, kind, weights, given):
        for sentence in sentences:
            typer.echo(f"DOES NOT HOLD  {promise} {sentence[:1].upper()}{sentence[1:]}.")
        if not sentences:
            typer.echo(f"holds          {promise}")
        kept = kept and not sentences
    if not kept:
        raise typer.Exit(BROKEN)


def main() -> None:
    """Run the command ``python -m orchestrator.check``."""
    cli.run(check, EXAMPLE)


if __name__ == "__main__":
    main()
