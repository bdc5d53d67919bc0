"""The page, and the advice on it."""

import dataclasses
import json

import search_spaces
from orchestrator.roadmap.page import write_roadmap
from orchestrator.roadmap.status import advice
from search_spaces.roadmap import INADMISSIBLE, INCONCLUSIVE, NO_GO
from tests.orchestrator.reporting.test_study_page import _Page
from tests.orchestrator.roadmap.recorded_verdicts import Sweeps, entry, journey
from tests.orchestrator.tiny_world import write_latents


def test_the_page_says_first_what_was_decided_and_asks_nothing_of_the_network(world):
    trip, _ = journey(
        world, Sweeps({"archetypes": INCONCLUSIVE, "manifold": NO_GO, "perception": INADMISSIBLE})
    )
    path = trip.run()
    page = _Page(path.read_text(encoding="utf-8"))
    said, record = page.text, json.loads(path.with_suffix(".json").read_text())
    assert said.index(record["advice"]) < said.index("Verdicts and beliefs")
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 1 and drawings[0]["role"] == "img"
    for step in record["steps"]:
        assert step["study"] in drawings[0]["aria-label"] and step["reason"] in said
    assert all(edge in said for edge in record["edges"])  # as titles of the arrows
    assert all(not address.startswith(("http", "//")) for address in page.addresses)
    assert "Brier score" in said and "device time" in said and "prefers-color-scheme" in path.read_text()
    written = path.with_suffix(".md").read_text()
    assert record["advice"] in written and "| vmf_vs_mdn | 1 | GO |" in written


def test_where_nothing_can_run_the_advice_names_what_to_build_first(tmp_path, monkeypatch):
    load = search_spaces.load
    missing = {name: "a study of directions" for name in ("archetypes", "linear_readout", "memory_as_basis")}
    monkeypatch.setattr(
        search_spaces, "load", lambda n: dataclasses.replace(load(n), missing=missing.get(n, load(n).missing))
    )
    write_latents(tmp_path / "toy")
    trip, _ = journey(tmp_path, Sweeps({}))
    trip.logbook.append(entry(data_hash=trip.dataset.content_hash, reason="as measured"))
    said = advice(trip.standing())
    assert said.startswith("vmf_vs_mdn is GO. Success → proceed to archetypes. Settles: factorize direction")
    assert "Next is archetypes, which cannot run yet: it waits for a study of directions" in said
    assert (
        "Held until an earlier study ends GO or NO-GO: memory_as_basis, score_correction, two_stage." in said
    )


def test_a_fresh_page_claims_nothing(world):
    trip, _ = journey(world, Sweeps({}), smoke=True)
    path = write_roadmap(world / "runs", trip.standing())
    assert path.name == "roadmap-smoke.html"
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["brier"] is None and record["spent"]["device_hours"] is None and record["settled"] == []
    assert "Nothing has been spent yet." in path.read_text() and "Smoke runs" in path.read_text()
