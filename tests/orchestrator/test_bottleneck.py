"""A bottleneck trained under Ray: interrupted and gone on with, on one worker and on two, to one end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from orchestrator.bottleneck import learn_on_cluster
from orchestrator.cli import guarded
from orchestrator.cluster import connected
from orchestrator.derive import derive
from tests.trainables.latents.test_beta_vae import SMALL, curved, fit, frames_of, write
from trainables.errors import InputError
from trainables.latents.derived.dataset import fit_transform
from trainables.latents.derived.transform import Transform
from trainables.latents.store import LatentDataset, open_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LatentDataset:
    return write(tmp_path_factory.mktemp("base"), curved)


def command(base: LatentDataset, out: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "orchestrator.derive", str(base.root), "--as", "beta-vae(4) of stack(2)"]
    line += ["--out", str(out), "--epochs", "4", "--smoothness", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        line, cwd=REPOSITORY, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_interrupted_command_says_how_to_go_on_and_does(base: LatentDataset, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    with command(base, out) as first:
        complained = ""
        for line in first.stderr:
            complained += line
            if line.startswith("epoch 1 of 4"):
                first.send_signal(signal.SIGINT)
                break
        complained += first.stderr.read()
    assert first.returncode == 130, complained
    assert "run the same command again to resume" in complained and "Traceback" not in complained
    assert not list(out.glob("*.parquet")) and list(out.glob(".training/*.pt"))
    with command(base, out) as second:
        said, complained = second.communicate()
    assert second.returncode == 0, complained
    assert "epoch 1 of 4" not in complained and "epoch 4 of 4" in complained
    assert "beta-vae(4)-smoothness2: epoch" in said and "variance lost" in said
    assert "beta-vae4-smoothness2(stack2(toy)), 4 dimensions at 25 Hz" in said
    assert not (out / ".training").exists()
    made, transform = open_dataset(out), Transform.load(out)
    assert made.meta.representation == transform.name and made.meta.codec_hash == transform.hash
    assert transform.to_base(np.zeros((3, 4))).shape == (6, base.meta.dim)
    with pytest.raises(InputError, match="by other maps"):
        derive(str(base.root), "beta-vae(4) of stack(2)", out)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_end_where_a_plain_call_does(base: LatentDataset, tmp_path: Path) -> None:
    settings = type(SMALL)(**{**vars(SMALL), "epochs": 2, "steps": 10, "smoothness": 2.0})
    solo = fit("beta-vae(4)", base, settings)
    seen = []
    with connected(None, state_api=True) as cluster:
        shared = fit_transform(
            "beta-vae(4)", base, settings,
            lambda start, before: learn_on_cluster(start, before, base, tmp_path, cluster, 2, seen.append),
        )  # fmt: skip
    assert [progress["epoch"] for progress in seen] == [0, 1]
    frames = frames_of(base, "validation")[0]
    np.testing.assert_allclose(shared.forward(frames), solo.forward(frames), rtol=1e-3, atol=1e-3)
    mine, theirs = (t.maps[0].outcome["validation"] for t in (solo, shared))
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
