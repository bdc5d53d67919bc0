"""Finished lanes of all runs in a folder, by key: what one sweep has trained, no other trains again.

A key is a hash of all that a lane's result depends on: settings, data, code, and the split that it was judged
on. Files are written under another name and then renamed, so that several sweeps may write at once and a kill
leaves nothing half done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.tensor_files import read_tensors
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import Split
from trainables.predictor.scores import measured_for

LANES_FOLDER = "lanes"


class LaneStore:
    """Results (``<key>.json``) and weights (``<key>.pt``) of lanes in one folder; no file is held open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, key: str, result: Mapping[str, Any], weights: Path | None = None) -> None:
        """Store a lane: first its weights, which are moved here, then its result, by which it is found."""
        if weights is not None and weights.exists():
            weights.replace(self.folder / f"{key}.pt")
        write_atomically(self.folder / f"{key}.json", json.dumps(result))

    def result(self, key: str) -> dict[str, Any] | None:
        """The result of a lane; None where it is missing or cannot be read, so that it is trained again."""
        try:
            result = json.loads((self.folder / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) else None

    def weights(self, key: str) -> dict[str, Any] | None:
        """The weights of a lane; None where they are missing.

        Raises:
            InputError: the file is damaged.
        """
        path = self.folder / f"{key}.pt"
        remedy = f"delete it and {path.with_suffix('.json').name}, and the lane is trained again"
        return read_tensors(path, str(path), remedy) if path.exists() else None


def lane_key(
    config: LaneConfig,
    split: Split,
    data_hash: str,
    code: str,
    companions: Sequence[LaneConfig] = (),
) -> str:
    """The name of a lane's result: a hash (32 hex digits) of everything that the result depends on.

    Settings count with their values, whether they were named or are defaults; those that came later (see
    :func:`trainables.predictor.config.later`) count for nothing at their defaults. The objective counts only
    where rungs drop lanes by it, or where exploration measures more because of it. Where rungs drop lanes,
    the ``companions`` that a lane competes with in its pack count too.
    """
    settings = config.deciding()
    settings.pop("representation")  # the hash of the data says it
    rivals = [companion.deciding() for companion in companions] if config.competes else []
    if not rivals:  # the objective then decides what an exploration measures, and nothing else
        settings["objective"] = measured_for(settings["objective"]) if split == Split.VALIDATION else ""
    text = json.dumps([settings, rivals, split, data_hash, code], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
