"""Folders of control worlds: written once, and anew where what writes them is another."""

import os

from orchestrator.datasets import control_worlds
from orchestrator.datasets.control_worlds import latents_folder


def test_a_world_is_written_once_and_again_where_its_code_has_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = latents_folder("control:lorenz")
    written = {path.name: os.stat(path).st_mtime_ns for path in first.iterdir()}
    assert latents_folder("control:lorenz") == first and len(written) == 3
    assert {path.name: os.stat(path).st_mtime_ns for path in first.iterdir()} == written

    monkeypatch.setattr(control_worlds, "source_hash", lambda *references: "0" * 24)
    second = latents_folder("control:lorenz")
    assert second != first and {path.name for path in second.iterdir()} == set(written)
    assert {path.name: os.stat(path).st_mtime_ns for path in first.iterdir()} == written
