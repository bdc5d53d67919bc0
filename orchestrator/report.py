"""Judge a finished run again, and write its report anew: ``python -m orchestrator.report RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from orchestrator.execution import run_mirror
from orchestrator.lifecycle.rejudge import rejudge
from orchestrator.reporting.verdict_answer import VerdictAnswer, verdict_answer
from orchestrator.runtime import cli

EXAMPLE = "python -m orchestrator.report runs/vmf_vs_mdn-20260102-030405"


class RecordAnswer(TypedDict):
    """Where MLflow has the run."""

    recorded: str


def report(
    run: Annotated[Path, typer.Argument(help="A run folder that holds evidence.json.")],
    record: Annotated[
        bool, typer.Option("--record", help="Judge nothing; only add to MLflow what it lacks of RUN.")
    ] = False,
    study: cli.StudyFile = None,
) -> VerdictAnswer | RecordAnswer:
    """Judge the evidence of RUN by its study as it is declared now, and write report and verdict beside it.

    Nothing is trained. Where anything was changed after the run was sealed, be it the study, the code or the
    record itself, the verdict is INADMISSIBLE and names the change.
    """
    if record:
        where = run_mirror.record(run)
        typer.echo(where)
        return {"recorded": where}
    judgement, written = rejudge(run, study)
    typer.echo(judgement)
    typer.echo("\n".join(map(str, written)))
    return verdict_answer(run, judgement)


def main() -> None:
    """The command."""
    cli.run(report, EXAMPLE)


if __name__ == "__main__":
    main()
