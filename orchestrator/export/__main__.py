"""Write a winner into a folder of its own: ``python -m orchestrator.export RUN --arm ARM``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from orchestrator.records.evidence import Evidence
from orchestrator.runtime import cli

EXAMPLE = "python -m orchestrator.export runs/vmf_vs_mdn-20260102-030405 --arm vmf"


class ExportAnswer(TypedDict):
    """The folder with the winner, and the files in it."""

    folder: str
    files: list[str]


def export(
    run: Annotated[Path, typer.Argument(help="A run folder that holds evidence.json.")],
    arm: Annotated[str, typer.Option(help="Arm whose winner is exported.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default exported/ARM in the run folder.")
    ] = None,
    replicate: Annotated[
        int | None, typer.Option(help="Which replicate, from 0; by default the first that finished.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the data, where it cannot be found out.")
    ] = None,
) -> ExportAnswer:
    """Write an arm's winner into one folder: weights, settings, normaliser, codec and a model card.

    `load_predictor` of `trainables.predictor.exported` opens it, without Ray, Optuna or MLflow.
    """
    from orchestrator.handoff.exported_folder import write_export  # loads torch

    folder = out or run / "exported" / arm
    write_export(run, Evidence.read(run / "evidence.json"), arm, folder, replicate=replicate, licence=licence)
    files = sorted(folder.iterdir())
    for path in files:
        typer.echo(f"{path}  ({path.stat().st_size / 1e3:.0f} kB)")
    return {"folder": str(folder), "files": [path.name for path in files]}


def main() -> None:
    """The command."""
    cli.run(export, EXAMPLE, "run the same command again")


if __name__ == "__main__":
    main()
