"""A real MLflow server over an SQLite file, which can be stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

_LONGEST = 90  # seconds until it has to answer


class TrackingServer:
    """Serves ``mlflow.db`` of a folder on a free port of 127.0.0.1 while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it where it does not run, on the same port each time, and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time.
        """
        if self._process and self._process.poll() is None:
            return
        line = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        line += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder.resolve()}/mlflow.db"]
        # The latter is for seven processes that nobody here needs.
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._process = subprocess.Popen(
            line,
            cwd=self._folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _LONGEST
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the MLflow server on port {self._port} does not answer")
            time.sleep(0.2)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server and all its workers."""
        assert self._process is not None
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.read())
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
