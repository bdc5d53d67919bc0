"""Where a verdict comes from: data, code, machine, and how often its test speakers were looked at before."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.cluster import Cluster
from orchestrator.journal import Journal, code_version, full_version, git_commit
from orchestrator.plan import Plan
from trainables.latents.store import SPLITS, LatentDataset

_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "pyarrow")


def describe_data(dataset: LatentDataset) -> dict[str, Any]:
    """What the evidence says of its data."""
    meta = asdict(dataset.meta)
    return {
        "path": str(dataset.root),
        "hash": dataset.content_hash,
        "rms": dataset.rms,
        **meta,
        "speakers": {split: len(dataset.speakers(split)) for split in SPLITS},
        "utterances": {split: len(dataset.utterances(split)) for split in SPLITS},
        "frames": {split: dataset.frames(split) for split in SPLITS},
    }


def describe_run(plan: Plan, cluster: Cluster) -> dict[str, Any]:
    """What the evidence says of code, machine and budget."""
    from orchestrator.search import SAMPLER  # loads Ray, which describing data needs not

    return {
        "git_commit": git_commit(),
        "code": code_version(),
        "code_of_verdict": full_version(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "device": str(cluster),
        "machine": platform.platform(),
        "workers": plan.workers,
        "seed": plan.seed,
        "trials": plan.trials,
        "lanes": plan.lanes,
        "replicates": plan.replicates,
        "smoke": plan.smoke,
        "sampler": {"name": "optuna.samplers.TPESampler", **SAMPLER},
    }


def earlier_looks(out: Path, own: Path, study: str, data_hash: str) -> list[str]:
    """Other runs in the same folder that put the same study to the same test speakers, and how they ended.
    Who asks often enough gets any answer, so a report says how often it was.
    """
    found = []
    for path in sorted(out.glob("*/journal.jsonl")):
        journal = Journal(path.parent)
        planned, judged = journal.events("planned"), journal.events("judged")
        if path.parent == own or not planned or not journal.events("sealed"):
            continue
        asked = planned[0]["arguments"]
        if (asked["study"], planned[0]["data_hash"], asked["smoke"]) == (study, data_hash, False):
            found.append(f"{path.parent.name}: {judged[-1]['verdict'] if judged else 'sealed, not judged'}")
    return found
