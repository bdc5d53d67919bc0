"""The size to which an autoscaled cluster can grow: it shows no GPU until something asks for one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from orchestrator.runtime.ray_internals import CLUSTER_DESCRIPTION


def autoscaled_resources(description: Path = CLUSTER_DESCRIPTION) -> dict[str, int]:
    """Resources of the head and of all workers that may be started; empty where there is no autoscaler.

    Of several kinds of worker, each resource counts those that have most of it, up to the ``max_workers`` of
    the cluster.
    """
    try:
        path = description.expanduser()
    except RuntimeError:  # a user without a home
        return {}
    if not path.exists():
        return {}
    config = json.loads(path.read_text())
    kinds = dict(config["available_node_types"])
    total = Counter(kinds.pop(config["head_node_type"])["resources"])
    for name in {name for kind in kinds.values() for name in kind["resources"]}:
        total[name] += _most(name, list(kinds.values()), config["max_workers"])
    return dict(total)


def _most(name: str, kinds: list[dict[str, Any]], room: int) -> int:
    total = 0
    for kind in sorted(kinds, key=lambda kind: -kind["resources"].get(name, 0)):
        machines = min(room, kind.get("max_workers", room))
        total += machines * kind["resources"].get(name, 0)
        room -= machines
    return total
