"""A private Ray that is lost ends a command at once and with a sentence; an actor that is lost does not."""

import subprocess
import sys
import time

import pytest

from tests.orchestrator.shared_ray import REPOSITORY

LOSES = """
import os, signal, time
from pathlib import Path
from orchestrator.runtime import cli
from orchestrator.runtime.descendants import descendants
from orchestrator.runtime.ray_cluster import connected

def command() -> None:
    with connected(None):
        import ray
        found = [p for p in descendants() if "({name})" in Path(f"/proc/{{p}}/stat").read_text()]
        os.kill(found[0], signal.SIGKILL)
        print("killed", flush=True)
        {waits}

cli.run(command, "python -m it")
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("raylet", "ray.get(ray.remote(lambda: time.sleep(120)).remote())"),
        pytest.param("gcs_server", "time.sleep(120)", marks=pytest.mark.soak),
        # What calls a GCS that is gone waits inside Ray for a minute, and cannot be interrupted there.
        ("gcs_server", "ray.nodes()"),
    ],
    ids=["raylet", "gcs_server", "gcs_server, called"],
)
def test_a_lost_ray_is_a_sentence_within_seconds(name, waits):
    line = [sys.executable, "-c", LOSES.format(name=name, waits=waits)]
    with subprocess.Popen(
        line, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "killed\n"
        started = time.monotonic()
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 2, complaint
    *before, sentence = complaint.splitlines()
    assert sentence.startswith("error: the Ray of this command has lost") and name in sentence
    assert not before or (waits == "ray.nodes()" and "Traceback" not in complaint), (
        "Ray itself may have logged"
    )
    assert time.monotonic() - started < 20
