"""Finished lanes of every run that shares a folder, by key: what one sweep trained, no other trains again.

A key says all that a lane's result depends on: settings, data, code, and whose frames judged it. Files are
written under another name and then renamed, so that several sweeps may write at once and a kill leaves
nothing half done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.runtime.atomic_files import write_atomically
from trainables.predictor.config import split_config
from trainables.predictor.scores import measured_for

LANES_FOLDER = "lanes"


class LaneStore:
    """Results (``<key>.json``) and weights (``<key>.pt``) in one folder. Holds nothing open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, key: str, result: Mapping[str, Any], weights: Path | None = None) -> None:
        """Store a lane: its weights first, moved here, then its result, which is what counts."""
        if weights is not None and weights.exists():
            weights.replace(self.folder / f"{key}.pt")
        write_atomically(self.folder / f"{key}.json", json.dumps(result))

    def result(self, key: str) -> dict[str, Any] | None:
        """The result of a lane; None where there is none, or none that can be read."""
        try:
            return json.loads((self.folder / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None

    def weights(self, key: str) -> dict[str, Any] | None:
        """The weights of a lane, or None."""
        import torch  # not at the top: most of what is asked here are results

        path = self.folder / f"{key}.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def lane_key(
    config: Mapping[str, Any],
    split: str,
    data_hash: str,
    code: str,
    companions: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Name of a lane's result: a hash over everything that it depends on, defaults spelled out.

    The objective counts only where rungs drop lanes by it, or where exploration measures more because of it;
    the ``companions`` that a lane competes with in
    its pack then count too.
    """
    told = _spelled(config)
    told.pop("representation")  # the data say it
    rivals = [_spelled(companion) for companion in companions] if told["rung_epochs"] else []
    if not rivals:  # it decides what an exploration measures, if nothing else
        told["objective"] = measured_for(told["objective"]) if split == "validation" else ""
    text = json.dumps([told, rivals, split, data_hash, code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _spelled(config: Mapping[str, Any]) -> dict[str, Any]:
    structure, lane = split_config(config)
    return {**asdict(structure), **asdict(lane)}
