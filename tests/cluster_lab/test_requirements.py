"""Why the lab is skipped is said in words that help; what it changes of the cluster file is sizes alone."""

from __future__ import annotations

import os

import pytest
import yaml

from tests.cluster_lab import requirements
from tests.cluster_lab.lab import ROOT, smaller


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_without_root_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "takes root" in requirements.missing(tmp_path)


def test_missing_programs_are_named_by_their_packages(tmp_path, monkeypatch, root):
    monkeypatch.setattr(requirements, "PROGRAMS", {"shells": "sh", "one": "no-such-1", "two": "no-such-2"})
    assert requirements.missing(tmp_path).endswith("missing: apt-get install one two")


def test_an_environment_without_moto_is_named(tmp_path, monkeypatch, root):
    monkeypatch.setattr(requirements, "PROGRAMS", {})
    monkeypatch.setattr(requirements, "_fails", lambda command: False)
    assert f"not installed in {tmp_path}; `make cluster-test` does it" in requirements.missing(tmp_path)


def test_the_lab_changes_nothing_but_sizes_and_numbers():
    written = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    changed = yaml.safe_load(smaller(ROOT / "cluster.yaml", 2))
    for config in (written, changed):
        del config["max_workers"]
        gpu = config["available_node_types"]["gpu"]
        del gpu["max_workers"], gpu["resources"]["CPU"]
    assert changed == written
