"""The runs of an MLflow experiment as plain data, whoever wrote them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.execution.mlflow_store import DATABASE, first_line, import_mlflow, legal, local_store
from orchestrator.runtime.secrets import without_passwords
from trainables.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def experiment_runs(experiment: str) -> list[dict[str, Any]]:
    """The runs of an experiment, whoever wrote them: name, tags, params, and of each metric its steps and
    values, all of them where its name ends in ``@k``, else the last one.

    Raises:
        InputError: the store cannot be read, or has no experiment of that name.
    """
    import_mlflow()
    from mlflow import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI") or local_store()
    if uri == local_store() and not Path(DATABASE).exists():
        raise InputError(f"there is no {DATABASE} here; go where it is, or set MLFLOW_TRACKING_URI")
    try:
        client = MlflowClient(uri)
        known = client.get_experiment_by_name(experiment)
        runs, token = [], None
        while known is not None:
            page = client.search_runs([known.experiment_id], max_results=1000, page_token=token)
            runs += [_described(client, run) for run in page]
            if not (token := page.token):
                return runs
    except Exception as problem:  # sqlalchemy, OS and HTTP errors alike
        raise InputError(
            f"cannot read the MLflow store {without_passwords(uri)!r} ({first_line(problem)}); correct or "
            "unset MLFLOW_TRACKING_URI"
        ) from problem
    raise InputError(f"{without_passwords(uri)} has no experiment {experiment!r}; name one that it has")


def _described(client: MlflowClient, run: Run) -> dict[str, Any]:
    metrics = {name: [(0, value)] for name, value in run.data.metrics.items()}
    for name in metrics:
        if name.endswith(("@k", legal("@k"))):
            history = client.get_metric_history(run.info.run_id, name)
            metrics[name] = [(point.step, point.value) for point in history]
    named = {"name": run.info.run_name, "tags": dict(run.data.tags), "params": dict(run.data.params)}
    return {**named, "metrics": metrics}
