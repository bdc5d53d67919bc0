"""Judge results that others measured: ``python -m orchestrator.judge RESULTS --study STUDY``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.reporting.verdict_answer import VerdictAnswer, verdict_answer
from orchestrator.runtime import cli
from trainables.errors import InputError

EXAMPLE = "python -m orchestrator.judge results.csv --study vmf_vs_mdn"


def judge_results(
    results: Annotated[
        str, typer.Argument(help="CSV or Parquet file, an export of W&B, or mlflow:EXPERIMENT.")
    ],
    study: Annotated[str, typer.Option(help="Study by whose criteria they are judged.")] = "",
    frame_rate: Annotated[
        float | None, typer.Option(help="Frames per second, where the results do not say it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the folder with the report.")] = Path("runs"),
) -> VerdictAnswer:
    """Judge results of others by the intervals, criteria and report of a sweep; not sealed, and marked so.

    A row is one number: arm, seed, unit (such as a speaker), metric (cos, or cos@16), step, value, and
    surrogate (white or gaussian for a null, planted_kept or planted_lost for a plant). The verdict says what
    is missing for more. docs/judge.md has the columns.
    """
    if not study:
        raise InputError("--study is missing; name the study whose criteria these results are to meet")
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise InputError(f"--frame-rate is {frame_rate}; it must be above 0")
    from orchestrator.judge.judging_results import judge_source, write_judged

    command = shlex.join(["python", "-m", "orchestrator.judge", *sys.argv[1:]])
    run = judge_source(results, study, frame_rate, command)
    judgement, folder = run.judgement, write_judged(run, out)
    typer.echo(f"{judgement.verdict} ({judgement.after_the_fact}): {judgement.reason}\n")
    for sentence in judgement.missing:
        typer.echo(f"missing: {sentence}")
    typer.echo(f"\nreport  {folder / 'report.html'}")
    return verdict_answer(folder, judgement)


def main() -> None:
    """The command."""
    cli.run(judge_results, EXAMPLE)


if __name__ == "__main__":
    main()
