"""How the MLflow store is found, opened and shown; what fails there in one line.

MLflow takes seconds to import, so that happens when a store is opened, not when this module is imported.
"""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from orchestrator.runtime.atomic_files import exclusive_lock
from orchestrator.runtime.secrets import without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
_ASIDE = "(raised as a result of"  # of SQLAlchemy, ahead of what has happened
# Read by MLflow whenever it asks a server; the environment may say otherwise.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a run that is made again would be there twice
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines for every lane
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # of winners, in the middle of our own
    "MLFLOW_UV_AUTO_DETECT": "false",  # what a model needs is said
    "DO_NOT_TRACK": "true",
}


def ui_command(store: str = f"sqlite:///{DATABASE}") -> str:
    """The shell command that shows a store, given as a word of the shell, in a browser on this machine."""
    return f"mlflow ui --backend-store-uri {store} --host 127.0.0.1"


def local_store() -> str:
    """The database of the working directory as MLflow takes it.

    By its full path, unless that has characters with a meaning in a URI: MLflow would make folders of their
    codes beside the right one.
    """
    path = str(Path(DATABASE).resolve())
    return f"sqlite:///{path if quote(path) == path else DATABASE}"


def import_mlflow() -> None:
    """Load MLflow, with its settings: it must not be loaded by two threads at once.

    It then gives up a store that does not answer within seconds; by default it keeps trying for many minutes.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow.pyfunc  # noqa: F401

    # Of a logged model: its signature is given.
    warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)  # what fails is raised, and said once


def first_line(problem: BaseException) -> str:
    """The first line of an exception's text that says something, or its type where there is none."""
    lines = [line for line in str(problem).strip().splitlines() if not line.startswith(_ASIDE)]
    return without_passwords(lines[0] if lines else type(problem).__name__)


def open_store(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """A client and the experiment's id; the database is made once, by the process that holds the lock.

    An experiment of that name that was deleted is restored, since no other may have its name.
    """
    import_mlflow()
    from mlflow import MlflowClient

    local = uri.startswith("sqlite:")
    # Two sweeps that start together must not both migrate the schema.
    with exclusive_lock(Path.cwd()) if local else nullcontext():
        client = MlflowClient(uri)
        known = client.get_experiment_by_name(experiment)
        if known is None:
            place = Path(ARTIFACTS).resolve().as_uri() if local else None
            return client, client.create_experiment(experiment, artifact_location=place)
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        return client, known.experiment_id


def legal(name: str) -> str:
    """A name without @, which MLflow does not allow."""
    return name.replace("@", "_at_")
