"""Judge a finished run again and write its report anew: ``python -m orchestrator.report RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import search_spaces
from orchestrator import cli
from orchestrator.evidence import Evidence
from orchestrator.plan import make_plan
from orchestrator.reporting.page import write_report
from orchestrator.statistics.verdict import judge
from trainables.errors import InputError


def report(run: Annotated[Path, typer.Argument(help="a run folder that holds evidence.json")]) -> None:
    """Judge the evidence of RUN by its study as it is declared now, and write report and verdict beside it.

    Nothing is trained. A study that was changed after the run was sealed ends INADMISSIBLE; what changed is
    named.
    """
    evidence = _evidence(run / "evidence.json")
    plan = make_plan(search_spaces.load(evidence.study), smoke=bool(evidence.provenance.get("smoke")))
    judgement = judge(plan.study, evidence)
    written = write_report(run, plan.study, evidence, judgement)
    typer.echo(f"{judgement.verdict}: {judgement.reason}\n{judgement.consequence}\n")
    typer.echo("\n".join(map(str, written)))


def _evidence(path: Path) -> Evidence:
    if not path.exists():
        raise InputError(
            f"{path} does not exist; name the folder of a run that has ended, such as runs/STUDY-TIME"
        )
    try:
        return Evidence.read(path)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} is not the record of a run, or of another version; run its sweep again"
        ) from None


def main() -> None:
    """The command."""
    cli.run(report)


if __name__ == "__main__":
    main()
