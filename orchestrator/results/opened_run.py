"""One run folder, opened to read: nothing is trained, judged anew or written."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from matplotlib.figure import Figure

from orchestrator.lifecycle.rejudge import judged
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.records.phase import Phase
from orchestrator.records.seal import SEAL_FILE, breaches
from orchestrator.reporting.figures import collected_figures
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.study_page import page
from orchestrator.results.lane_tables import (
    FinishedLane,
    criteria_table,
    history_table,
    lanes_table,
    metrics_table,
)
from orchestrator.results.long_table import long_rows, write_long_table
from orchestrator.statistics.intervals import Interval
from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import Split
from trainables.predictor.model.predictor import AnyPredictor, build_predictor
from trainables.predictor.scores import LaneStatus


def open_run(folder: str | Path) -> OpenedRun:
    """Open a run folder, such as ``runs/vmf_vs_mdn-20260102-030405``.

    Raises:
        InputError: no sweep has begun in that folder.
    """
    return OpenedRun(Path(folder))


class OpenedRun:
    """A run with its records; tables are Arrow's, and ``.to_pandas()`` makes data frames of them.

    As long as the run is not judged, or where its sealed plan is not the one that was sealed, nothing of the
    test speakers is given away: whoever still explores sees validation speakers alone.

    Raises:
        InputError: no sweep has begun in that folder.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "journal.jsonl").is_file():
            raise InputError(
                f"{folder} holds no journal.jsonl; name the folder of a run, as a sweep makes it"
            )
        self.folder = folder
        self.journal = Journal(folder)
        self._store = LaneStore(folder.parent / LANES_FOLDER)

    @property
    def planned(self) -> dict[str, Any]:
        """What was planned when the run began: arguments, data and versions."""
        return next(iter(self.journal.events("planned")), {})

    @property
    def study(self) -> str:
        """The name of the study."""
        return str(self.planned.get("arguments", {}).get("study", ""))

    @cached_property
    def withheld(self) -> str:
        """Why nothing of the test speakers is given away, as part of a sentence; empty where all of it is."""
        sealed = self.journal.events("sealed")
        if not sealed:
            return "its plan is not sealed yet"
        if not self.journal.events("judged"):
            return "it is sealed, and has no verdict yet"
        if not (self.folder / SEAL_FILE).exists():
            return f"{SEAL_FILE} is gone"
        edits = breaches(sealed[0]["seal"], self.folder, {})
        return edits[0].rstrip(".") if edits else ""

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """The verdict as the run recorded it, with all that ``verdict.json`` holds.

        Raises:
            InputError: the run is not judged, its seal is not confirmed, or the file cannot be read.
        """
        self._require_confirmed("a verdict")
        path = self.folder / "verdict.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text())
            return record
        except (OSError, ValueError):
            raise InputError(
                f"{path} cannot be read; write it anew with `python -m orchestrator.report {self.folder}`"
            ) from None

    @property
    def criteria(self) -> pa.Table:
        """A row for each criterion: its claim, its outcome, and the numbers behind it."""
        return criteria_table(self.verdict)

    @property
    def lanes(self) -> pa.Table:
        """A row for each lane that was trained: settings, seed, frames, status and objective."""
        return lanes_table(self._lanes)

    @property
    def metrics(self) -> pa.Table:
        """A row for each lane, speaker, metric and rollout step: a sum, a count, and their ratio."""
        return metrics_table(self._lanes)

    @property
    def history(self) -> pa.Table:
        """A row for each lane, epoch and figure of training and validation."""
        return history_table(self._lanes)

    @cached_property
    def evidence(self) -> Evidence:
        """All that the verdict rests on.

        Raises:
            InputError: the run is not judged, or its seal is not confirmed.
        """
        self._require_confirmed("evidence")
        return Evidence.read(self.folder / "evidence.json")

    @cached_property
    def judged(self) -> JudgedRun:
        """The run judged by its study as it is declared now; :attr:`verdict` is what was recorded.

        Raises:
            InputError: the run is not judged, or its seal is not confirmed.
        """
        self._require_confirmed("evidence")
        return judged(self.folder)

    def interval(
        self, arm: str, metric: str, *, versus: str | None = None, surrogate: str = Surrogate.REAL
    ) -> Interval | None:
        """A metric of an arm (minus that of ``versus``) over test speakers and seeds; None: not measured."""
        return self.judged.measures.value(arm, metric, versus=versus, surrogate=Surrogate(surrogate))

    def figures(self) -> dict[str, Figure]:
        """Every figure of the report as a matplotlib object, by the name that it has in the page."""
        with collected_figures() as drawings:
            page(self.judged)
        return drawings

    def predictors(self, arm: str) -> dict[int, AnyPredictor]:
        """The trained predictors of an arm's winner, by seed, ready to predict.

        Raises:
            InputError: there is no such arm, it trains no predictor, or its weights are gone.
        """
        if arm not in self.evidence.arms:
            raise InputError(f"{self.folder} has no arm {arm!r}; it has {', '.join(self.evidence.arms)}")
        config = self.evidence.arms[arm].config
        if not config.trainable.forecasts:
            raise InputError(
                f"the arm {arm!r} runs {config.kind}, which trains no predictor; name another arm"
            )
        loaded: dict[int, AnyPredictor] = {}
        for replicate in self.evidence.arms[arm].replicates:
            if replicate.status != LaneStatus.FINISHED:
                continue
            weights = self._store.weights(replicate.key)
            if weights is None:
                raise InputError(
                    f"the weights of the {arm} arm's seed {replicate.seed} are no longer in "
                    f"{self._store.folder}; run the sweep again"
                )
            structure = config.structure
            predictor = build_predictor(structure, self._dim(structure.representation))
            predictor.to(getattr(torch, structure.dtype)).load_state_dict(weights)
            loaded[replicate.seed] = predictor.eval()
        return loaded

    def long_table(self, path: str | Path | None = None) -> pa.Table:
        """Everything that the verdict rests on, one number a row; also written to ``path``, .csv or .parquet.

        ``python -m orchestrator.judge`` reproduces the verdict from it.
        """
        table = long_rows(self.evidence)
        if path is not None:
            write_long_table(table, Path(path))
        return table

    @cached_property
    def _lanes(self) -> list[FinishedLane]:
        """The finished lanes, without those that were judged on test speakers while these are withheld."""
        events = {(e["phase"], e["arm"], e["index"]): e for e in self.journal.events("finished")}
        shown = [
            event
            for event in events.values()
            if not self.withheld or Phase(event["phase"]).judged_on != Split.TEST
        ]
        return [FinishedLane(event, self._store) for event in shown]

    def _dim(self, representation: str) -> int:
        datasets = (self.evidence.data, *self.evidence.other_data)
        wanted = [d for d in datasets if d["representation"] == representation] or datasets
        return int(wanted[0]["dim"])

    def _require_confirmed(self, what: str) -> None:
        if self.withheld:
            raise InputError(
                f"{self.folder} gives no {what}: {self.withheld}; lanes, metrics and history of validation "
                "speakers can be read"
            )
