"""See what representations are like before a study: ``python -m orchestrator.diagnose LATENTS``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from orchestrator.datasets.control_worlds import latents_folder
from orchestrator.inspection.diagnosis import HELD_OUT
from orchestrator.representations.side_by_side import diagnose_side_by_side
from orchestrator.runtime import cli
from trainables.latents.storage.dataset import open_dataset

EXAMPLE = "python -m orchestrator.diagnose control:white --no-heads"


class DiagnosesAnswer(TypedDict):
    """All figures of each folder, as `--save` writes them."""

    diagnoses: list[dict[str, Any]]


def diagnose(
    latents: Annotated[list[str], typer.Argument(help="Folders of latents, or control:NAME.")],
    file: Annotated[
        Path | None,
        typer.Option("--save", help="JSON file for all figures, written anew after each folder."),
    ] = None,
    on: Annotated[
        list[str], typer.Option(help="Split that predictions are scored on; may be given again.")
    ] = list(HELD_OUT),  # noqa: B006
    heads: Annotated[
        bool, typer.Option(help="Train the heads mdn and vmf as well, which starts Ray.")
    ] = True,
) -> DiagnosesAnswer:
    """Look at latents, and predict them one step ahead, beside surrogates without a past.

    Models are fitted or trained on training speakers and scored on all others. Intervals are at 95 %, over
    speakers. Nothing is kept; studies and their verdicts do not depend on it. Several representations are
    compared at the end.
    """
    datasets = [open_dataset(latents_folder(name)) for name in latents]
    return {"diagnoses": diagnose_side_by_side(datasets, on, heads, file)}


def main() -> None:
    """The command."""
    cli.run(diagnose, EXAMPLE)


if __name__ == "__main__":
    main()
