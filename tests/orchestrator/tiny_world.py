"""A world small enough to be swept in a minute, and the commands that do it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from trainables.latents.storage.dataset import LatentMeta, Utterance, write_utterances

SPEAKERS = {"train": 6, "validation": 3, "test": 4}


def write_latents(
    folder,
    representation="toy",
    speakers=SPEAKERS,
    dim=3,
    frames=40,
    seed=0,
    codec=None,
    weights=None,
    prefix="",
):
    """A small world of random walks that turn slowly."""
    rng = np.random.default_rng(seed)
    meta = LatentMeta(
        representation=representation,
        dim=dim,
        frame_rate=50.0,
        codec=codec,
        codec_hash="none",
        weights=weights,
        corpus_hash="none",
        lattice_step=None,
    )
    nothing = np.full(frames, np.nan, np.float32)
    rows = [
        Utterance(
            f"{prefix}{split}{s}-{u}",
            f"{prefix}{split}{s}",
            split,
            np.cumsum(rng.standard_normal((frames, dim)), 0).astype(np.float32),
            nothing,
            nothing,
            nothing,
        )
        for split, count in speakers.items()
        for s in range(count)
        for u in range(2)
    ]
    write_utterances(folder / f"{representation}-{seed}.parquet", rows, meta)
    return folder


def start(name, *arguments, cwd, path=None):
    """A command in a process of its own; ``path`` holds packages that take the place of ours."""
    here = str(Path(__file__).parents[2])
    search = here if path is None else os.pathsep.join((str(path), here))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": search}
    environment.pop("MLFLOW_TRACKING_URI", None)
    line = [sys.executable, "-m", f"orchestrator.{name}", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=cwd, text=True, env=environment, **pipes)


def command(name, *arguments, cwd, timeout=560, path=None):
    """What a command has said when it has ended."""
    with start(name, *arguments, cwd=cwd, path=path) as process:
        try:
            said, complaint = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said, complaint)


sweep = partial(command, "sweep")
