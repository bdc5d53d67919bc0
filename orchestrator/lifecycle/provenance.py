"""The provenance of a verdict: its code, libraries, machine and budget."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from orchestrator.planning.plan import Plan
from orchestrator.records.code_versions import code_version, full_version, git_commit
from orchestrator.runtime.ray_cluster import Cluster

_PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "pyarrow")


def describe_run(plan: Plan, cluster: Cluster) -> dict[str, Any]:
    """The code, libraries, machine and budget of a run, as the evidence holds them."""
    from orchestrator.execution.search import SAMPLER  # not at the top: it loads Ray

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
