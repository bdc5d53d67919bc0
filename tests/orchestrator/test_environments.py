"""A sweep in surroundings that are not those of its developers: it runs, or refuses in a sentence."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.orchestrator.noise_recordings import write_noise
from tests.orchestrator.tiny_world import command, sweep, write_latents

pytestmark = [pytest.mark.soak, pytest.mark.ray, pytest.mark.timeout(900)]
REPOSITORY = Path(__file__).resolve().parents[2]
SMOKE = ("vmf_vs_mdn", "--smoke", "--no-ablation", "--latents", "latents")


def run(cwd, shell="", namespaces=(), prefix="", environment=(), without=()):
    """A smoke sweep after some lines of shell, in Linux namespaces of its own."""
    line = ["unshare", *namespaces] if namespaces else []
    program = f'{shell}exec {prefix} "$0" -m orchestrator.sweep "$@"'
    line += ["sh", "-c", program, sys.executable, *SMOKE]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **dict(environment)}
    for name in ("MLFLOW_TRACKING_URI", *without):
        environment.pop(name, None)
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


def may_have(*namespaces):
    """Whether this user may have such namespaces."""
    return not subprocess.run(["unshare", *namespaces, "true"], capture_output=True).returncode


def assert_judged(done, cwd, runs=1):
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    found = list(cwd.glob("runs/vmf_vs_mdn-*/verdict.json"))
    assert len(found) == runs and all(json.loads(path.read_text())["verdict"] for path in found)
    assert "runs/" in done.stdout and "--record" not in done.stdout


@pytest.mark.skipif(not may_have("-m", "-n"), reason="needs root")
def test_a_folder_with_an_uncommon_name_little_shared_memory_and_no_network_but_loopback(tmp_path):
    cwd = tmp_path / "Prüfung 中 #1?%20&x"
    cwd.mkdir()
    write_latents(cwd / "latents")
    shell = "ip link set lo up && mount -t tmpfs -o size=64m none /dev/shm && "
    assert_judged(run(cwd, shell, ["-m", "-n"]), cwd)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_user_without_a_name_is_asked_for_a_home():
    cwd = Path(f"/tmp/nobody-{os.getpid()}")
    cwd.mkdir()
    write_latents(cwd / "latents")
    subprocess.run(["chown", "-R", "12345:12345", str(cwd)], check=True)
    try:
        prefix = "setpriv --reuid 12345 --regid 12345 --clear-groups"
        nameless = {"without": ("HOME", "USER", "LOGNAME"), "environment": {"RAY_TMPDIR": str(cwd)}}
        done = run(cwd, prefix=prefix, **nameless)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "set HOME to a folder of yours" in done.stderr
    finally:
        subprocess.run(["rm", "-rf", str(cwd)], check=True)


@pytest.mark.skipif(not may_have("-m"), reason="needs root")
def test_a_folder_that_may_only_be_read(tmp_path):
    write_latents(tmp_path / "latents")
    shell = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path} && cd {tmp_path} && "
    done = run(tmp_path, shell, ["-m"])
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "runs" in done.stderr and "cannot be written (Read-only file system)" in done.stderr


def test_two_different_sweeps_and_an_encoding_beside_each_other(tmp_path):
    write_latents(tmp_path / "latents")
    (tmp_path / "noise").mkdir()
    write_noise(tmp_path / "noise", speakers=8, each=2, samples=16_000, rate=16_000)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(sweep, *SMOKE, cwd=tmp_path)
        second = pool.submit(sweep, *SMOKE, "--seed", "1", cwd=tmp_path)
        arguments = ("noise", "--representation", "logmel", "--out", "encoded")
        encoding = pool.submit(command, "encode", *arguments, cwd=tmp_path)
    for done in (first.result(), second.result()):
        assert_judged(done, tmp_path, runs=2)
    assert encoding.result().returncode == 0, encoding.result().stderr
