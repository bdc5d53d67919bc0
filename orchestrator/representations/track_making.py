"""Acoustic tracks of all audio of a dataset at once, for whoever does not want to wait for them later."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path

import typer

from orchestrator.representations.encoding_ledger import print_lines
from orchestrator.runtime.durations import duration
from trainables.latents.speech.dataset_tracks import make_tracks, track_store
from trainables.latents.storage.dataset import open_dataset


class TracksWhen(StrEnum):
    """When energy, pitch and spectral flux are measured."""

    LATER = "later"  # when something asks for them, of what it asks for
    NOW = "now"


def make_tracks_of(out: Path) -> None:
    """Measure the tracks of the audio of the latents in ``out``, and say where they are and what has none."""
    dataset, began = open_dataset(out), time.monotonic()
    made, failed = make_tracks(dataset)
    print_lines("no tracks: ", failed)
    taken = duration(time.monotonic() - began)
    typer.echo(f"{track_store(out).folder} holds the acoustic tracks of {made} recordings ({taken})")
