"""`python -m orchestrator.diagnose`: what representations are like before a study is run on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.datasets.control_worlds import latents_folder
from orchestrator.inspection.diagnosis import (
    HELD_OUT,
    DiagnosisResult,
    Say,
    as_record,
    found_by_tasks,
    found_here,
)
from orchestrator.reporting.diagnosis_comparison import comparison_tables
from orchestrator.reporting.diagnosis_terminal import diagnosis_tables
from orchestrator.reporting.terminal_table import print_table
from orchestrator.runtime import cli
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.ray_cluster import Cluster, connected
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, Split, open_dataset

EXAMPLE = "python -m orchestrator.diagnose control:white --no-heads"


def diagnose(
    latents: Annotated[list[str], typer.Argument(help="Folders of latents, or control:NAME.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all figures, a list with an entry per folder.")
    ] = None,
    on: Annotated[
        list[str], typer.Option(help="Split that predictions are scored on; may be given again.")
    ] = list(HELD_OUT),  # noqa: B006
    heads: Annotated[bool, typer.Option(help="Whether to train the heads mdn and vmf as well.")] = True,
) -> None:
    """Look at latents, and predict them one step ahead, beside surrogates without a past.

    Models are fitted or trained on training speakers and scored on all others. Intervals are at 95 %, over
    speakers. Nothing is kept; studies and their verdicts do not depend on it. Several representations are
    compared at the end.
    """
    datasets = [open_dataset(latents_folder(name)) for name in latents]
    for dataset in datasets:
        _require_speakers(dataset, on)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InputError(f"--json {json_file}: there is no folder {json_file.parent}; make it first")
    if json_file is not None and json_file.is_dir():
        raise InputError(f"--json {json_file} is a folder; name a file in it")
    says, console = Console(stderr=True), Console()
    records: list[dict[str, Any]] = []
    with _ray(heads, lambda text: says.print(text, style="dim", markup=False)) as (cluster, say):
        for dataset in datasets:
            found = found_by_tasks(dataset, cluster, say, on=on) if cluster else found_here(dataset, say, on)
            records.append(as_record(dataset, found, on))
            if json_file is not None:  # one by one: what follows may fail, or be stopped
                write_atomically(json_file, json.dumps(records, indent=1, allow_nan=False))
            _print(console, dataset, found, on)
    for table in comparison_tables(records):
        print_table(console, table)


@contextmanager
def _ray(wanted: bool, say: Say) -> Iterator[tuple[Cluster | None, Say]]:
    if not wanted:
        yield None, say
        return
    say("starting Ray, which trains the heads (--no-heads leaves them out)")
    with connected(None) as cluster:
        yield cluster, say


def _print(console: Console, dataset: LatentDataset, found: DiagnosisResult, on: Sequence[str]) -> None:
    console.print(f"{dataset.root}: {dataset.meta.representation}, {_counts(dataset, on)}", highlight=False)
    for table in diagnosis_tables(found.diagnosis, dataset.meta, found.heads, found.settings):
        print_table(console, table)
    for head, reason in found.refused.items():
        console.print(f"not measured: head {head}, because {reason}", highlight=False)


def _require_speakers(dataset: LatentDataset, on: Sequence[str]) -> None:
    unknown = [split for split in on if split not in HELD_OUT]
    if unknown:
        raise InputError(f"--on is {unknown[0]!r}; it must be one of {', '.join(HELD_OUT)}")
    if not any(dataset.speakers(split) for split in on):
        raise InputError(
            f"{dataset.root} has no speaker in {' or '.join(on)}; encode more speakers into it, or choose "
            "another --on"
        )


def _counts(dataset: LatentDataset, on: Sequence[str]) -> str:
    speakers = sum(len(dataset.speakers(split)) for split in on)
    return (
        f"{dataset.meta.dim} dimensions at {dataset.meta.frame_rate:g} Hz, "
        f"{len(dataset.speakers(Split.TRAIN))} training and {speakers} held-out speakers ({' and '.join(on)})"
    )


def main() -> None:
    """The command."""
    cli.run(diagnose, EXAMPLE)


if __name__ == "__main__":
    main()
