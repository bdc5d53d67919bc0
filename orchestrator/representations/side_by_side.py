"""What several datasets of latents are like: a diagnosis each on the terminal, all compared at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.inspection.diagnosis import (
    HELD_OUT,
    DiagnosisResult,
    Say,
    as_record,
    diagnose_locally,
    diagnose_with_ray,
)
from orchestrator.reporting.diagnosis_comparison import comparison_tables
from orchestrator.reporting.diagnosis_terminal import diagnosis_tables
from orchestrator.reporting.terminal_table import print_table
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.ray_cluster import Cluster, connected
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, Split


def diagnose_side_by_side(
    datasets: Sequence[LatentDataset], on: Sequence[str], train_heads: bool, json_file: Path | None
) -> list[dict[str, Any]]:
    """Diagnose each dataset, print its tables and a comparison of all, and return the figures of each.

    Args:
        datasets: opened folders of latents, in the order of the output.
        on: splits that predictions are scored on.
        train_heads: whether heads are trained as well, on a Ray that is started for it.
        json_file: file for all figures, written anew after each dataset; None for none.

    Raises:
        InputError: a dataset has nobody to score on, a split is unknown, or the file cannot be written.
    """
    for dataset in datasets:
        _require_speakers(dataset, on)
    if json_file is not None:
        _require_writable(json_file)
    says, console = Console(stderr=True), Console()
    records: list[dict[str, Any]] = []
    with _ray(train_heads, lambda text: says.print(text, style="dim", markup=False)) as (cluster, say):
        for dataset in datasets:
            if cluster:
                result = diagnose_with_ray(dataset, cluster, say, on=on)
            else:
                result = diagnose_locally(dataset, say, on)
            records.append(as_record(dataset, result, on))
            if json_file is not None:  # one by one: what follows may fail, or be stopped
                write_atomically(json_file, json.dumps(records, indent=1, allow_nan=False))
            _print(console, dataset, result, on)
    for table in comparison_tables(records):
        print_table(console, table)
    return records


def _require_speakers(dataset: LatentDataset, on: Sequence[str]) -> None:
    unknown = [split for split in on if split not in HELD_OUT]
    if unknown:
        raise InputError(f"--on is {unknown[0]!r}; it must be one of {', '.join(HELD_OUT)}")
    if not any(dataset.speakers(split) for split in on):
        raise InputError(
            f"{dataset.root} has no speaker in {' or '.join(on)}; encode more speakers into it, or choose "
            "another --on"
        )


def _require_writable(json_file: Path) -> None:
    if not json_file.absolute().parent.is_dir():
        raise InputError(f"--save {json_file}: there is no folder {json_file.parent}; make it first")
    if json_file.is_dir():
        raise InputError(f"--save {json_file} is a folder; name a file in it")


@contextmanager
def _ray(wanted: bool, say: Say) -> Iterator[tuple[Cluster | None, Say]]:
    if not wanted:
        yield None, say
        return
    say("starting Ray, which trains the heads (--no-heads leaves them out)")
    with connected(None) as cluster:
        yield cluster, say


def _print(console: Console, dataset: LatentDataset, result: DiagnosisResult, on: Sequence[str]) -> None:
    console.print(f"{dataset.root}: {dataset.meta.representation}, {_counts(dataset, on)}", highlight=False)
    for table in diagnosis_tables(result.diagnosis, dataset.meta, result.heads, result.settings):
        print_table(console, table)
    for head, reason in result.refused.items():
        console.print(f"not measured: head {head}, because {reason}", highlight=False)


def _counts(dataset: LatentDataset, on: Sequence[str]) -> str:
    speakers = sum(len(dataset.speakers(split)) for split in on)
    return (
        f"{dataset.meta.dim} dimensions at {dataset.meta.frame_rate:g} Hz, "
        f"{len(dataset.speakers(Split.TRAIN))} training and {speakers} held-out speakers ({' and '.join(on)})"
    )
