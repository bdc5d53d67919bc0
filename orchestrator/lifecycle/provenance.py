"""Where a verdict comes from: its code, libraries, machine and budget, in the evidence and in MLflow."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection
from orchestrator.lifecycle.sweep_request import SweepRequest
from orchestrator.planning.plan import Plan
from orchestrator.records.code_versions import full_version, git_commit
from orchestrator.records.journal import Journal
from orchestrator.records.run_folders import earlier_looks
from orchestrator.records.study_code import code_of_study
from orchestrator.runtime.ray_cluster import Cluster
from search_spaces.study import criteria_hash

_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "pyarrow")


def run_tags(plan: Plan, latents: LatentCollection, folder: Path) -> dict[str, str]:
    """The tags by which a sweep's run is found in MLflow."""
    return {
        "study": plan.study.name,
        "data_hash": latents.content_hash,
        "representation": ", ".join(latents.representations),
        "criteria_hash": criteria_hash(plan.study),
        "git_commit": git_commit(),
        "code": code_of_study(plan.study),
        "run_folder": str(folder.resolve()),
        **({"smoke": "true"} if plan.smoke else {}),
    }


def provenance(request: SweepRequest, plan: Plan, cluster: Cluster, started: float) -> dict[str, Any]:
    """The command, code, libraries, machine and budget of a run, as its evidence holds them.

    Args:
        started: seconds since 1970.
    """
    study, data_hash = plan.study.name, request.latents.content_hash
    forced = Journal(request.folder).events("planned")[0].get("forced")
    return {
        "command": request.command,
        **_code_and_budget(plan, cluster),
        "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
        "seconds": round(max(0.0, time.time() - started), 1),
        "resumed": request.resumed,
        **({"forced": forced} if forced else {}),
        "earlier_verdicts": earlier_looks(request.folder.parent, request.folder, study, data_hash),
    }


def _code_and_budget(plan: Plan, cluster: Cluster) -> dict[str, Any]:
    from orchestrator.execution.samplers import sampler_settings  # not at the top: it loads Ray

    return {
        "git_commit": git_commit(),
        "code": code_of_study(plan.study),
        "code_of_verdict": full_version(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "device": str(cluster),
        "machine": platform.platform(),
        "workers": plan.workers,
        "seed": plan.seed,
        "trials": plan.trials,
        "repeats": plan.repeats,
        "lanes": plan.lanes,
        "replicates": plan.replicates,
        "smoke": plan.smoke,
        "sampler": {"name": "optuna.samplers.TPESampler", **sampler_settings(plan)},
    }
