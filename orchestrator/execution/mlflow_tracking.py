"""One sweep in MLflow, a parent run with a child run per lane, written by the driver.

MLflow takes seconds to import, so that happens when a ``Tracker`` is made, not when this module is imported.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.execution.mlflow_store import (
    DATABASE,
    first_line,
    legal,
    local_store,
    open_store,
    ui_command,
)
from orchestrator.records.phase import Phase
from orchestrator.runtime.secrets import without_passwords
from trainables.errors import InputError
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores, is_curve

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

NOTE, _NAME, _PARENT = "mlflow.note.content", "mlflow.runName", "mlflow.parentRunId"
_LANE = "lane"  # the name under which a child's lane is known
_MARK = "started_as"  # a random name that a parent run has from its first moment
_SCALARS = ("nll", "dnll", "predictive_information", "one_step_cosine", "log_magnitude_r2")
_VIEW = "?workflowType=machine_learning"  # without it the UI opens on tools for chat traces
_DIGEST = 36  # characters of a dataset's digest, MLflow's limit
_NEEDED = ("mlflow", "numpy", "pyarrow", "safetensors", "torch")  # where a logged model is loaded
_BATCH = 1000  # metrics in one request, MLflow's limit
_LONGEST = 6000  # characters of a parameter's value, MLflow's limit
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE")  # of a run, or no longer


class Tracker:
    """Writes a sweep's runs into ``mlflow.db`` of the working directory or what MLFLOW_TRACKING_URI names.

    Everything may be written again: what the store holds already is found there and left as it is. It waits
    for a store no longer than some seconds, and tries nothing twice: what MLflow raises, it raises.

    Raises:
        InputError: the store cannot be opened.
    """

    def __init__(self, experiment: str = "audio-latents") -> None:
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = given or local_store()
        self.run_id: str | None = None
        self._mark = ""
        self._recorded: set[str] = set()  # names of the lanes that already have a child run
        try:
            self._client, self._experiment = open_store(self.uri, experiment)
        except Exception as problem:  # sqlalchemy, OS and HTTP errors alike
            store, remedy = f"{without_passwords(self.uri)!r}", "correct or unset MLFLOW_TRACKING_URI"
            if not given:
                file = Path(DATABASE).resolve()
                store, remedy = (
                    str(file),
                    f"move {file} away, and a new one is made, or work in another folder",
                )
            raise InputError(
                f"cannot open the MLflow store {store} ({first_line(problem)}); {remedy}"
            ) from problem

    def start(
        self,
        name: str,
        tags: Mapping[str, Any],
        params: Mapping[str, Any],
        run_id: str | None = None,
        mark: str | None = None,
        datasets: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """Open the parent run, or go on with ``run_id`` where this store has it; return the parent's id.

        Args:
            datasets: what it runs on, each as ``describe_data`` describes it; they become its inputs.
            mark: finds the run where its id was never heard of, since the store's answer was lost.
        """
        self._mark = mark or uuid.uuid4().hex
        if not any(known and self._resume(known) for known in (run_id, self._find())):
            self.run_id = self._client.create_run(self._experiment, tags={_MARK: self._mark}).info.run_id
        self.tag({_NAME: name, "study": name, **tags})
        there = self._client.get_run(self._parent()).data.params
        self._log(self._parent(), params={k: v for k, v in params.items() if legal(k) not in there})
        if datasets:  # one that is an input already is left as it is
            self._client.log_inputs(self._parent(), [_input(data) for data in datasets])
        return self._parent()

    def has(self, lane: str) -> bool:
        """Whether a lane of that name is recorded already."""
        return lane in self._recorded

    def lane(
        self,
        name: str,
        arm: str,
        phase: str,
        config: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        scores: Mapping[str, Any] | None,
        status: str,
        figures: Mapping[str, float | None] | None = None,
        lasted: tuple[float, float] | None = None,
    ) -> None:
        """Record a lane that has ended as a child run, unless a lane of that name is recorded already.

        ``phase`` is "explore", "repeat", "confirm", "null", "plant" or "ablate"; ``history`` holds numbers
        per epoch; ``scores`` is ``Scores.to_json()``, or None; ``figures`` are single numbers by name, by
        which lanes of all phases can be sorted; ``lasted`` is when it began and ended, in seconds since 1970.
        """
        if self.has(name):
            return
        # A null and a plant are lanes of confirmation.
        judged = Phase.CONFIRM if phase in ("null", "plant") else Phase(phase)
        surrogate = str(config.get("surrogate", Surrogate.REAL))
        tags = {
            # A lane on other frames than the real ones says so where runs are listed and compared.
            _NAME: name if surrogate == Surrogate.REAL else f"{name} {surrogate}",
            _PARENT: self._parent(),
            _LANE: name,
            "arm": arm,
            "phase": phase,
            "status": status,
            "surrogate": surrogate,
            "seed": str(config.get("seed", "")),
        }
        begun, ended = (round(1000 * each) for each in lasted) if lasted else (None, None)
        child = self._client.create_run(self._experiment, start_time=begun, tags=tags)
        metrics = [
            *((name, value, 0) for name, value in (figures or {}).items()),
            *_of_history(history),
            *(_of_scores(Scores.from_json(scores), judged.judged_on) if scores else ()),
        ]
        self._log(child.info.run_id, params=config, metrics=metrics)
        outcome = "FAILED" if status == LaneStatus.DIVERGED else "FINISHED"
        self._client.set_terminated(child.info.run_id, outcome, ended)
        self._recorded.add(name)

    def finish(self, verdict: Mapping[str, Any], markdown: str, files: Sequence[Path]) -> None:
        """Close the parent run: verdict as a tag and on top of its page, the numbers, files as artifacts.

        Args:
            verdict: ``Judgement.to_json()``, or what ``verdict.json`` holds.
        """
        metrics = [
            (f"{legal(c['metric'])}/{c['arm']}{_against(c['versus'])}/{end}", c["estimate"][end], 0)
            for c in verdict["criteria"]
            if c["estimate"]
            for end in ("estimate", "low", "high")
        ]
        self._log(self._parent(), metrics=metrics)
        for file in files:
            self._client.log_artifact(self._parent(), str(file))
        named = {_NAME: f"{verdict['study']}: {verdict['verdict']}"}
        hashed = {"criteria_hash": verdict["criteria_hash"]}
        self.tag({NOTE: markdown, "verdict": verdict["verdict"], **named, **hashed})
        self._close("FINISHED")

    def winner(self, arm: str, folder: Path, tags: Mapping[str, Any]) -> None:
        """Record an exported predictor as a logged model of the parent run, unless the arm has one already.

        Args:
            arm: whose winner it is, the model's name.
            folder: that was exported.
            tags: by which the model is found; those that are None are left out.
        """
        from mlflow.entities import LoggedModelOutput

        logged = self._client.get_run(self._parent()).outputs.model_outputs
        if arm in {self._client.get_logged_model(each.model_id).name for each in logged}:
            return
        known = {key: str(value) for key, value in {**tags, "arm": arm}.items() if value is not None}
        model = self._client.create_logged_model(
            self._experiment, arm, source_run_id=self._parent(), tags=known, model_type="predictor"
        )
        with TemporaryDirectory() as place:
            content = Path(place) / "model"
            _save_model(content, folder)
            self._client.log_model_artifacts(model.model_id, str(content))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(self._parent(), [LoggedModelOutput(model.model_id, 0)])

    def tag(self, tags: Mapping[str, Any]) -> None:
        """Tag the parent run, without the tags that are None."""
        from mlflow.entities import RunTag

        written = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        self._client.log_batch(self._parent(), tags=written)

    def fail(self, reason: str, *, interrupted: bool = False) -> None:
        """Close the parent run without a verdict: FAILED, or KILLED where the user stopped it."""
        word, status = ("interrupted", "KILLED") if interrupted else ("failed", "FAILED")
        self.tag({NOTE: f"# {word}: no verdict\n\n{reason}\n", "failure": reason})
        self._close(status)

    def _close(self, status: str) -> None:
        """End the parent run, and what a store that answered too late has begun beside it."""
        for child in list(self._children("= 'RUNNING'")):
            self._client.set_terminated(child.info.run_id, "KILLED")
        self._client.set_terminated(self._parent(), status)
        for run in self._marked():
            if run.info.run_id != self._parent() and run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")

    def where(self) -> str:
        """Lines for the user: where the record lies, how to show it, and where the parent run's page is."""
        page = f"#/experiments/{self._experiment}/runs/{self.run_id or ''}{_VIEW}"
        shown = without_passwords(self.uri)
        if self.uri.startswith(("http://", "https://")):
            return f"MLflow: {shown.rstrip('/')}/{page}"
        command = ui_command(shlex.quote(self.uri) if shown == self.uri else '"$MLFLOW_TRACKING_URI"')
        if self.uri == f"sqlite:///{DATABASE}":
            command = f"cd {shlex.quote(str(Path.cwd()))} && {command}"
        return f"MLflow: {shown}\n  {command}\n  http://127.0.0.1:5000/{page}"

    def _parent(self) -> str:
        if self.run_id is None:
            raise RuntimeError("Tracker.start comes first")
        return self.run_id

    def _marked(self) -> Sequence[Run]:
        """The parent runs that were made for this sweep; one, unless the store answered too late."""
        return self._client.search_runs([self._experiment], f"tags.`{_MARK}` = '{self._mark}'")

    def _find(self) -> str | None:
        marked = self._marked()
        return marked[-1].info.run_id if marked else None  # the oldest

    def _resume(self, run_id: str) -> bool:
        """Go on with a run, and return whether this store has it."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as problem:
            if problem.error_code in _NOT_THERE:  # another store, or the run was deleted: record anew
                return False
            raise
        self.run_id = run_id
        self._note_children()
        return True

    def _note_children(self) -> None:
        """Note the names of the children that have ended, and kill one that was being written."""
        for child in list(self._children("!= 'KILLED'")):
            if child.info.status == "RUNNING":
                self._client.set_terminated(child.info.run_id, "KILLED")
            else:
                # Older versions have named the lane by the run's name alone.
                self._recorded.add(child.data.tags.get(_LANE) or str(child.info.run_name))

    def _children(self, status: str) -> Iterator[Run]:
        """The children whose status compares so, read a thousand at a time."""
        wanted, token = f"tags.`{_PARENT}` = '{self._parent()}' and attributes.status {status}", None
        while True:
            page = self._client.search_runs([self._experiment], wanted, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _log(
        self,
        run_id: str,
        params: Mapping[str, Any] | None = None,
        metrics: Sequence[tuple[str, Any, int]] = (),
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        written = [Metric(legal(name), float(v), now, step) for name, v, step in metrics if _is_finite(v)]
        settings = [Param(legal(key), str(value)[:_LONGEST]) for key, value in (params or {}).items()]
        self._client.log_batch(run_id, params=settings, metrics=written[:_BATCH])
        for start in range(_BATCH, len(written), _BATCH):
            self._client.log_batch(run_id, metrics=written[start : start + _BATCH])


def _input(data: Mapping[str, Any]) -> DatasetInput:
    """A dataset as an input of a run: by its hash, and with the folder in which it lies."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    counts = {
        f"{what}_{split}": number
        for what in ("speakers", "utterances", "frames")
        for split, number in data.get(what, {}).items()
    }
    profile = {**counts, **{name: data.get(name) for name in ("dim", "frame_rate", "codec", "codec_hash")}}
    dataset = Dataset(
        name=str(data["representation"]),
        digest=str(data["hash"])[:_DIGEST],
        source_type="local",
        source=json.dumps({"uri": str(Path(data["path"]).absolute())}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "train, validation, test")])


def _save_model(content: Path, exported: Path) -> None:
    """Write a model of MLflow's around an exported folder: its code as a file, and no pickles."""
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    from orchestrator.execution import winner_model

    latents = Schema([TensorSpec(np.dtype(np.float32), (-1, -1))])
    kinds = {int: "long", float: "double", str: "string"}
    asked = [ParamSpec(name, kinds[type(value)], value) for name, value in winner_model.QUESTIONS.items()]
    save_model(
        content,
        python_model=winner_model.__file__,
        artifacts={winner_model.ARTIFACT: str(exported)},
        signature=ModelSignature(latents, latents, ParamSchema(asked)),
        # Given, since MLflow would otherwise run the model in a process of its own to find them out.
        pip_requirements=[f"{name}=={version(name)}" for name in _NEEDED],
    )


def _of_history(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any, int]]:
    """The numbers of all epochs, as ``train/<name>`` at each epoch."""
    for index, entry in enumerate(history):
        step = int(entry.get("epoch", index))
        for name, value in entry.items():
            if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool):
                yield f"train/{name}", value, step


def _of_scores(scores: Scores, split: str) -> Iterator[tuple[str, Any, int]]:
    """The one-step figures, and each rollout curve with k as the step and its two ends by name."""
    for metric in _SCALARS:
        try:
            yield f"{split}/{metric}", scores.value(metric), 0
        except KeyError:
            continue  # not measured
    for name in filter(is_curve, scores.sums):
        values = scores.curve(name)
        yield from ((f"{split}/{name}@k", value, k) for k, value in enumerate(values, 1))
        yield from ((f"{split}/{name}@{k}", values[k - 1], 0) for k in {1, len(values)})


def _against(versus: str | None) -> str:
    return f"-minus-{versus}" if versus else ""


def _is_finite(value: float | None) -> bool:
    """Whether a value is a finite number: MLflow would store infinity as the largest float."""
    return value is not None and math.isfinite(value)
