"""The record of a sweep in MLflow: a parent run per sweep, a child run per lane, written by the driver.

MLflow takes seconds to import, so that happens when a ``Tracker`` is made, not when this module is imported.
"""

from __future__ import annotations

import logging
import math
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orchestrator.records.journal import RESUME
from orchestrator.records.phase import Phase
from orchestrator.runtime.atomic_files import exclusive_lock
from orchestrator.runtime.interrupts import uninterrupted
from trainables.errors import InputError
from trainables.predictor.scores import LaneStatus, Scores, is_curve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from orchestrator.judging.verdict import Judgement
    from search_spaces.study import Study

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
_NOTE, _NAME, _PARENT = "mlflow.note.content", "mlflow.runName", "mlflow.parentRunId"
_MARK = "started_as"  # a random name that a parent run has from its first moment
_SCALARS = ("nll", "dnll", "predictive_information", "one_step_cosine", "log_magnitude_r2")
_VIEW = "?workflowType=machine_learning"  # without it the UI opens on tools for chat traces
_BATCH = 1000  # metrics in one request, MLflow's limit
_LONGEST = 6000  # characters of a parameter's value, MLflow's limit


def ui_command(uri: str = f"sqlite:///{DATABASE}") -> str:
    """The shell command that shows a store in a browser on this machine."""
    return f"mlflow ui --backend-store-uri {uri} --host 127.0.0.1"


class Tracker:
    """Records a sweep, in ``mlflow.db`` of the working directory or in the store MLFLOW_TRACKING_URI names.

    A context manager: whatever ends the block, an error or an interrupt in the middle of :meth:`start`
    included, leaves no run in the store whose status is RUNNING.

    Raises:
        InputError: the store cannot be opened.
    """

    def __init__(self, experiment: str = "audio-latents") -> None:
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(DATABASE).resolve()}"
        self.run_id: str | None = None
        self._is_open = False  # whether a parent run may be there that has no end yet
        self._mark = uuid.uuid4().hex  # finds it where its id was never heard of
        self._recorded: set[str] = set()  # names of the lanes that already have a child run
        try:
            self._client, self._experiment = _open(self.uri, experiment)
        except Exception as problem:  # sqlalchemy, OS and HTTP errors alike
            first = str(problem).strip().splitlines()[:1]
            raise InputError(
                f"cannot open the MLflow store {self.uri!r} ({' '.join(first) or type(problem).__name__}); "
                "correct or unset MLFLOW_TRACKING_URI"
            ) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_open:
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = (
            f"stopped by Ctrl-C or SIGTERM; {RESUME}" if interrupted else f"{type(error).__name__}: {error}"
        )
        try:
            self.fail(reason if error else "ended without a verdict", interrupted=interrupted)
        except Exception as problem:  # the store is gone, which must not hide what happened first
            if error is None:
                raise
            error.add_note(f"Its MLflow run could not be closed: {problem}")

    def start(
        self, study: Study, tags: Mapping[str, Any], params: Mapping[str, Any], run_id: str | None = None
    ) -> str:
        """Open the parent run, or go on with ``run_id`` where this store has it; return the parent's id."""
        self._is_open = True
        if run_id is None or not self._resume(run_id):
            self.run_id = None
            self.run_id = self._client.create_run(self._experiment, tags={_MARK: self._mark}).info.run_id
        prior = f"(prior {study.prior.probability:.2f})"
        note = f"# running\n\n{study.title}\n\n**Hypothesis** {prior}: {study.hypothesis}\n"
        self.tag({_NAME: study.name, "study": study.name, _NOTE: note, **tags})
        self._log(self._parent(), params=params)
        return self._parent()

    def lane(
        self,
        name: str,
        arm: str,
        phase: str,
        config: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        scores: Mapping[str, Any] | None,
        status: str,
    ) -> None:
        """Record a lane that has ended as a child run, unless a lane of that name is recorded already.

        ``phase`` is "explore", "repeat", "confirm", "null" or "ablate"; ``history`` holds numbers per epoch;
        ``scores`` is ``Scores.to_json()``, or None.
        """
        if name in self._recorded:
            return
        judged = Phase.CONFIRM if phase == "null" else Phase(phase)  # a null is a lane of confirmation
        tags = {_NAME: name, _PARENT: self._parent(), "arm": arm, "phase": phase, "status": status}
        child = self._client.create_run(self._experiment, tags={**tags, "seed": str(config.get("seed", ""))})
        metrics = [
            *_of_history(history),
            *(_of_scores(Scores.from_json(scores), judged.judged_on) if scores else ()),
        ]
        self._log(child.info.run_id, params=config, metrics=metrics)
        self._client.set_terminated(
            child.info.run_id, "FAILED" if status == LaneStatus.DIVERGED else "FINISHED"
        )
        self._recorded.add(name)

    def finish(
        self,
        judgement: Judgement,
        markdown: str,
        files: Sequence[Path],
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Close the parent run: verdict as a tag and on top of its page, the numbers, files as artifacts."""
        metrics = [
            (f"{_legal(r.criterion.metric)}/{r.criterion.arm}{_against(r.criterion.versus)}/{end}", value, 0)
            for r in judgement.criteria
            if r.estimate
            for end, value in (
                ("estimate", r.estimate.estimate),
                ("low", r.estimate.low),
                ("high", r.estimate.high),
            )
        ]
        self._log(self._parent(), metrics=metrics)
        for file in files:
            self._client.log_artifact(self._parent(), str(file))
        named = {_NAME: f"{judgement.study}: {judgement.verdict}", "criteria_hash": judgement.criteria_hash}
        self.tag({_NOTE: markdown, "verdict": str(judgement.verdict), **named, **(tags or {})})
        self._client.set_terminated(self._parent(), "FINISHED")
        self._is_open = False

    def tag(self, tags: Mapping[str, Any]) -> None:
        """Tag the parent run, without the tags that are None."""
        from mlflow.entities import RunTag

        written = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        self._client.log_batch(self._parent(), tags=written)

    def fail(self, reason: str, *, interrupted: bool = False) -> None:
        """Close the parent run without a verdict: FAILED, or KILLED where the user stopped it."""
        word, status = ("interrupted", "KILLED") if interrupted else ("failed", "FAILED")
        with uninterrupted(), _few_retries():
            if self._find():
                self._client.set_terminated(self._parent(), status)
                self._end_children()
                self.tag({_NOTE: f"# {word}: no verdict\n\n{reason}\n", "failure": reason})
            self._is_open = False

    def where(self) -> str:
        """Lines for the user: where the record lies, how to show it, and where the parent run's page is."""
        page = f"#/experiments/{self._experiment}/runs/{self.run_id or ''}{_VIEW}"
        if self.uri.startswith(("http://", "https://")):
            return f"MLflow: {self.uri.rstrip('/')}/{page}"
        return f"MLflow: {self.uri}\n  {ui_command(self.uri)}\n  http://127.0.0.1:5000/{page}"

    def _parent(self) -> str:
        if self.run_id is None:
            raise RuntimeError("Tracker.start comes first")
        return self.run_id

    def _find(self) -> str | None:
        """The parent run's id, also where its creation was interrupted before the id came back; else None."""
        if self.run_id is None:
            marked = self._client.search_runs([self._experiment], f"tags.`{_MARK}` = '{self._mark}'")
            self.run_id = marked[0].info.run_id if marked else None
        return self.run_id

    def _resume(self, run_id: str) -> bool:
        """Go on with a run, and return whether this store has it."""
        self.run_id = run_id
        try:
            self._client.update_run(run_id, status="RUNNING")
        except Exception:  # another store, or the run was deleted: record anew
            return False
        self._end_children()
        return True

    def _end_children(self) -> None:
        """Note the names of the children that have ended, and kill one that was being written."""
        for child in list(self._children(self._parent())):
            if child.info.status == "RUNNING":
                self._client.set_terminated(child.info.run_id, "KILLED")
            else:
                self._recorded.add(str(child.info.run_name))

    def _children(self, run_id: str) -> Iterator[Run]:
        wanted, token = f"tags.`{_PARENT}` = '{run_id}' and attributes.status != 'KILLED'", None
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
        written = [Metric(_legal(name), float(v), now, step) for name, v, step in metrics if _is_finite(v)]
        settings = [Param(_legal(key), str(value)[:_LONGEST]) for key, value in (params or {}).items()]
        self._client.log_batch(run_id, params=settings, metrics=written[:_BATCH])
        for start in range(_BATCH, len(written), _BATCH):
            self._client.log_batch(run_id, metrics=written[start : start + _BATCH])


def _open(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """A client and the experiment's id; the database is made once, by the process that holds the lock."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    local = uri.startswith("sqlite:")
    # Two sweeps that start together must not both migrate the schema.
    with exclusive_lock(Path.cwd()) if local else _few_retries():
        client = MlflowClient(uri)
        known = client.get_experiment_by_name(experiment)
        if known is not None:
            return client, known.experiment_id
        place = Path(ARTIFACTS).resolve().as_uri() if local else None
        return client, client.create_experiment(experiment, artifact_location=place)


@contextmanager
def _few_retries() -> Iterator[None]:
    """Soon give up a server that does not answer; by default MLflow keeps trying for four minutes."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = before or "2"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


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


def _legal(name: str) -> str:
    """A name without @, which MLflow does not allow."""
    return name.replace("@", "_at_")


def _against(versus: str | None) -> str:
    return f"-minus-{versus}" if versus else ""


def _is_finite(value: float | None) -> bool:
    """Whether a value is a finite number: MLflow would store infinity as the largest float."""
    return value is not None and math.isfinite(value)
