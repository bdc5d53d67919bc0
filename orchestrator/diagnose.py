"""`python -m orchestrator.diagnose`: what a representation is like before any predictor is trained on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cli import run
from orchestrator.reporting.diagnosis import tables, to_json
from orchestrator.worlds import latents_folder
from trainables.analysis.diagnostics import diagnose as look_into
from trainables.errors import InputError
from trainables.latents.store import SPLITS, LatentDataset, open_dataset
from trainables.latents.windows import Feed
from trainables.predictor.config import SURROGATES

HELD_OUT = SPLITS[1:]


def diagnose(
    latents: Annotated[str, typer.Argument(help="Folder of latents, or control:NAME.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all figures.")] = None,
    on: Annotated[
        list[str], typer.Option(help="Split that predictions are scored on; may be given again.")
    ] = list(HELD_OUT),  # noqa: B006
) -> None:
    """Look at latents, and predict them by regressions in closed form, beside surrogates without a past.

    Regressions are fitted on training speakers and scored on all others. Intervals are at 95 %, over
    speakers. Nothing is trained and nothing kept; studies and their verdicts do not depend on it.
    """
    dataset = open_dataset(latents_folder(latents))
    _require_speakers(dataset, on)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InputError(f"--json {json_file}: there is no folder {json_file.parent}; make it first")
    says = Console(stderr=True)
    train, held_out = _feed(dataset, ["train"]), _feed(dataset, on)
    found = look_into(train, held_out, dataset.rms, lambda text: says.print(text, style="dim"))
    console = Console()
    console.print(f"{dataset.root}: {dataset.meta.representation}, {_counts(dataset, on)}", highlight=False)
    for table in tables(found, dataset.meta):
        console.print(table)
    if json_file is not None:
        record = {"data": _data(dataset, on), **to_json(found, dataset.meta)}
        json_file.write_text(json.dumps(record, indent=1, allow_nan=False))


def _feed(dataset: LatentDataset, splits: Sequence[str]) -> Feed:
    return Feed(
        lambda: (table for split in splits for table in dataset.tables(split) if len(table)),
        rms=dataset.rms,
        lattice_step=dataset.meta.lattice_step,
        frame_rate=dataset.meta.frame_rate,
        surrogates=SURROGATES,
    )


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
        f"{len(dataset.speakers('train'))} training and {speakers} held-out speakers ({' and '.join(on)})"
    )


def _data(dataset: LatentDataset, on: Sequence[str]) -> dict[str, Any]:
    meta = dataset.meta
    return {
        "path": str(dataset.root),
        "representation": meta.representation,
        "dim": meta.dim,
        "frame_rate": meta.frame_rate,
        "hash": dataset.content_hash,
        "held_out": list(on),
        "speakers": {split: len(dataset.speakers(split)) for split in SPLITS},
    }


if __name__ == "__main__":
    run(diagnose)
