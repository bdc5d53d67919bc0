"""Latents on which every study of the roadmap can run."""

import dataclasses

import pytest

import search_spaces
from tests.orchestrator.tiny_world import write_latents


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Latents, and every study of the roadmap able to run."""
    load = search_spaces.load
    monkeypatch.setattr(search_spaces, "load", lambda name: dataclasses.replace(load(name), missing=""))
    monkeypatch.setattr(
        "orchestrator.roadmap.runner.design_of", lambda *_: None
    )  # four speakers decide nothing
    monkeypatch.setattr("orchestrator.roadmap.runner.lacks_decoder", lambda *_: "")  # nor are they heard
    write_latents(tmp_path / "toy")
    write_latents(tmp_path / "second", representation="second")  # to compare with
    return tmp_path
