"""Examine what you bring: ``python -m orchestrator.check mypkg.heads:MyHead``."""

from __future__ import annotations

from typing import Annotated, TypedDict

import typer

from orchestrator.runtime import cli
from orchestrator.runtime.answers import Ended
from orchestrator.runtime.exit_codes import ExitCode
from trainables.own_parts.registry import PartKind

EXAMPLE = "python -m orchestrator.check mypkg.heads:MyHead"


class CheckAnswer(TypedDict):
    """What was asked of a part or a study: promises that it keeps, and sentences on those that it breaks."""

    checked: str
    holds: list[str]
    broken: list[str]


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
) -> CheckAnswer:
    """Say in sentences what a head, backbone, codec, trainable, control world, metric or study of yours does
    not keep of what every such part keeps.

    The exit code is 0 where everything holds, 3 where something does not, 2 for wrong input.
    """
    from orchestrator.records.study_file import study_path

    given = cli.parsed_settings(settings)
    if study_path(what) is not None:
        from orchestrator.check.studies import examined_study

        sentence = examined_study(what, given)
        typer.echo(sentence)
        return {"checked": what, "holds": [sentence.removeprefix("holds").strip()], "broken": []}
    from orchestrator.check.parts import examined

    answer: CheckAnswer = {"checked": what, "holds": [], "broken": []}
    for promise, sentences in examined(what, kind, weights, given):
        broken = [f"{promise} {sentence[:1].upper()}{sentence[1:]}." for sentence in sentences]
        for each in broken:
            typer.echo(f"DOES NOT HOLD  {each}")
        if not broken:
            typer.echo(f"holds          {promise}")
            answer["holds"].append(promise)
        answer["broken"] += broken
    if answer["broken"]:
        raise Ended(ExitCode.INADMISSIBLE, answer)
    return answer


def main() -> None:
    """Run the command ``python -m orchestrator.check``."""
    cli.run(check, EXAMPLE)


if __name__ == "__main__":
    main()
