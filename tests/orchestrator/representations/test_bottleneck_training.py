"""A bottleneck trained under Ray: interrupted on one worker and gone on with on two, to the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.derive import derive
from orchestrator.runtime.cli import guarded
from tests.orchestrator.shared_ray import REPOSITORY
from tests.trainables.latents.derived.test_beta_vae import curved, fit, frames_of, write
from trainables.errors import InputError
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.transform import Transform
from trainables.latents.storage.dataset import LatentDataset, open_dataset

# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LatentDataset:
    return write(tmp_path_factory.mktemp("base"), curved)


def command(base: LatentDataset, out: Path, address: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "orchestrator.derive", str(base.root), "--as", "beta-vae(4) of stack(2)"]
    line += ["--out", str(out), "--epochs", "2", "--smoothness", "2", "--workers", "1", "--address", address]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        line, cwd=REPOSITORY, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes
    )


@pytest.fixture(scope="module")
def interrupted_and_resumed(
    base: LatentDataset, address: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, str, str]:
    """One worker interrupted after its first epoch, and two that go on; what was said."""
    out = tmp_path_factory.mktemp("derived") / "codes"
    with command(base, out, address) as first:
        interrupted = ""
        for line in first.stderr:
            interrupted += line
            if line.startswith("epoch 1 of 2"):
                first.send_signal(signal.SIGINT)
                break
        interrupted += first.stderr.read()
    assert first.returncode == 4, interrupted
    assert not list(out.glob("*.parquet")) and list(out.glob(".training/*.pt"))
    said, complained = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(complained):  # the same command, but for its workers
        settings = {"epochs": 2, "smoothness": 2.0, "workers": 2, "address": address}
        derive(str(base.root), "beta-vae(4) of stack(2)", out, **settings)
    return out, interrupted, complained.getvalue(), said.getvalue()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_interrupted_command_says_how_to_go_on_and_does(
    base: LatentDataset, interrupted_and_resumed: tuple[Path, str, str, str]
) -> None:
    out, interrupted, complained, said = interrupted_and_resumed
    assert "run the same command again to resume" in interrupted and "Traceback" not in interrupted
    assert "epoch 1 of 2" not in complained and "epoch 2 of 2" in complained
    assert "beta-vae(4)-smoothness2: epoch" in said and "variance lost" in said
    assert "beta-vae4-smoothness2(stack2(toy)), 4 dimensions at 25 Hz" in said
    assert not (out / ".training").exists()
    made, transform = open_dataset(out), Transform.load(out)
    assert made.meta.representation == transform.name and made.meta.codec_hash == transform.hash
    assert transform.to_base(np.zeros((3, 4))).shape == (6, base.meta.dim)
    with pytest.raises(InputError, match="by other maps"):
        derive(str(base.root), "beta-vae(4) of stack(2)", out)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_one_worker_and_then_two_end_where_a_plain_call_does(
    base: LatentDataset, interrupted_and_resumed: tuple[Path, str, str, str]
) -> None:
    shared = Transform.load(interrupted_and_resumed[0])
    solo = fit("beta-vae(4) of stack(2)", base, BottleneckSettings(epochs=2, smoothness=2.0))
    frames = frames_of(base, "validation")[0]
    np.testing.assert_allclose(shared.forward(frames), solo.forward(frames), rtol=1e-3, atol=1e-3)
    mine, theirs = (t.maps[-1].outcome["validation"] for t in (solo, shared))
    assert json.loads(json.dumps(theirs)) == pytest.approx(mine, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"expression": "pca(3)", "beta": 0.5}, "--beta is 0.5, but --as 'pca(3)' trains nothing"),
        ({"expression": "pca(3)", "workers": 2}, "--workers is 2, but --as 'pca(3)' trains nothing"),
        ({"expression": "beta-vae(3)", "beta": -1.0}, "--beta is -1; it must be a number of at least 0"),
        ({"expression": "beta-vae(3)", "workers": 0}, "--workers is 0; it must be at least 1"),
        ({"expression": "beta-vae(3)", "workers": 3}, "a batch of 64 windows cannot be shared evenly"),
        ({"expression": "beta-vae(17)"}, "beta-vae(17) of 16 dimensions"),
        ({"expression": "beta-vae(3) of stack(6)"}, "has no train utterance of 96 frames"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_ray_starts(
    base: LatentDataset, tmp_path: Path, options, said: str, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was started"))
    with pytest.raises(typer.Exit) as left:
        guarded(derive, "")(str(base.root), out=tmp_path / "codes", **options)
    assert left.value.exit_code == 2
    complained = capsys.readouterr().err
    assert said in complained and complained.count("\n") == 1
    assert not (tmp_path / "codes").exists()
