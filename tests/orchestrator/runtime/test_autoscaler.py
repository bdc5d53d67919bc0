"""What a cluster may become, read from descriptions as ``ray up`` leaves them."""

import json
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

from orchestrator.runtime.autoscaler import autoscaled_resources

HEAD = {"resources": {"CPU": 2}, "max_workers": 0}
SMALL = {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 5}
LARGE = {"resources": {"CPU": 8, "GPU": 4}, "max_workers": 2}


def described(folder: Path, kinds: dict[str, dict], max_workers: int) -> Path:
    path = folder / "ray_bootstrap_config.yaml"
    config = {
        "max_workers": max_workers,
        "head_node_type": "head",
        "available_node_types": {"head": HEAD} | kinds,
    }
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("kinds", "max_workers", "expected"),
    [
        ({}, 4, {"CPU": 2}),
        ({"small": SMALL}, 8, {"CPU": 22, "GPU": 5}),
        ({"small": SMALL}, 3, {"CPU": 14, "GPU": 3}),
        ({"small": SMALL, "large": LARGE}, 3, {"CPU": 2 + 8 + 8 + 4, "GPU": 4 + 4 + 1}),
    ],
)
def test_head_and_workers_add_up(tmp_path: Path, kinds: dict, max_workers: int, expected: dict) -> None:
    assert autoscaled_resources(described(tmp_path, kinds, max_workers)) == expected


def test_without_an_autoscaler_nothing_grows(tmp_path: Path) -> None:
    assert autoscaled_resources(tmp_path / "ray_bootstrap_config.yaml") == {}


def test_of_this_projects_own_cluster(tmp_path: Path) -> None:
    config = prepare_config(yaml.safe_load((Path(__file__).parents[3] / "cluster.yaml").read_text()))
    path = tmp_path / "ray_bootstrap_config.yaml"
    path.write_text(json.dumps(config))
    assert autoscaled_resources(path) == {"CPU": 2 + 8 * 8, "GPU": 8}
