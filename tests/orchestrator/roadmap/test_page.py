"""The page, and the advice on it."""

import dataclasses
import itertools
import json
import re

import search_spaces
from orchestrator.roadmap.page import roadmap_to_json, write_roadmap
from orchestrator.roadmap.status import advice
from search_spaces.conclusions import ARCHITECTURE, SECTION_6_3, SECTION_10
from search_spaces.roadmap import GO, INADMISSIBLE, INCONCLUSIVE, NO_GO, ROADMAP
from tests.orchestrator.reporting.test_study_page import _Page
from tests.orchestrator.roadmap.recorded_verdicts import STUDIES, Sweeps, entry, journey
from tests.orchestrator.tiny_world import write_latents


def test_the_page_says_first_what_was_decided_and_asks_nothing_of_the_network(world):
    trip, _ = journey(
        world, Sweeps({"archetypes": INCONCLUSIVE, "manifold": NO_GO, "perception": INADMISSIBLE})
    )
    path = trip.run()
    page = _Page(path.read_text(encoding="utf-8"))
    said, record = page.text, json.loads(path.with_suffix(".json").read_text())
    first = " ".join(said[: said.index("The way so far")].split())
    decided = [step for step in record["steps"] if step["verdict"]]
    assert all(f"{step['verdict']} {step['study']}: {step['consequence']}" in first for step in decided)
    assert "Held until an earlier study ends GO or NO-GO: memory_as_basis" in first
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 1 and drawings[0]["role"] == "img"
    for step in record["steps"]:
        assert step["study"] in drawings[0]["aria-label"] and step["reason"] in said
    assert all(edge in said for edge in record["edges"])  # as titles of the arrows
    ways = [[way for way in step.gate if () not in step.gate] for step in ROADMAP.steps]
    one_of = sum(len(way) == 1 for gate in ways if len(gate) > 1 for way in gate)
    assert one_of and said.count("GO (either)") == one_of
    assert said.count("GO (both)") == sum(len(way) for gate in ways for way in gate if len(way) > 1)
    assert all(not address.startswith(("http", "//")) for address in page.addresses)
    assert "Brier score" in said and "device time" in said and "prefers-color-scheme" in path.read_text()
    written = path.with_suffix(".md").read_text()
    assert "- GO `vmf_vs_mdn`: Success" in written and "- INADMISSIBLE `perception`: " in written
    assert "| vmf_vs_mdn | 1 | GO |" in written


def test_words_of_arrows_into_one_step_stand_apart(world):
    trip, _ = journey(world, Sweeps({}))
    page = trip.run().read_text(encoding="utf-8")
    label = re.compile(r'<text class="label" x="(.+?)" y="(.+?)" text-anchor="(.+?)">(.+?)<')
    spans = {}
    for x, y, anchor, words in label.findall(page):
        width = 7 * len(words)  # of bold letters of 12 pixels
        left = float(x) - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        spans.setdefault(y, []).append((left, left + width))
    assert sum(map(len, spans.values())) == page.count('class="label"') > len(spans)
    for row in map(sorted, spans.values()):
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(row))


def test_every_study_shows_what_decided_it_and_the_last_page_what_follows(world):
    trip, _ = journey(world, Sweeps({"archetypes": NO_GO, "manifold": NO_GO}))
    path = trip.run()
    said = " ".join(_Page(path.read_text(encoding="utf-8")).text.split())
    record = json.loads(path.with_suffix(".json").read_text())
    figure = "cos@16 of vmf: 0.710 [0.680, 0.740] (success 0.600, failure 0.300)"
    assert said.count(figure) == sum(step["verdict"] is not None for step in record["steps"])
    assert "null, shuffled frames 0.010 [−0.020, 0.040]" in said
    assert "plant, direction kept 0.820 [0.800, 0.840] of 0.850 possible" in said
    assert "15.0 min planned 7.5 min to 30.0 min" in said
    first, *others = record["believed"]["beliefs"]
    assert (first["previous"], first["prior"], first["key"]) == (0.55, 0.6, GO) and first["now"] > 0.97
    assert len(others) + 1 == len(STUDIES)
    taken = {row["study"]: row["taken"] for row in record["believed"]["decisions"]}
    assert taken == {
        "vmf_vs_mdn": "proceed to archetypes",
        "archetypes": "pure parametric vMF",
        "representations": "problem is objective/architecture, not representation",
    }
    built = {row["part"]: row["because"] for row in record["believed"]["architecture"]}
    assert built["Directions"] == "pure parametric vMF" and built["Free run"] == "no score correction"
    assert all(row["is"] in said for row in record["believed"]["architecture"])


def test_a_forced_verdict_is_shown_and_opens_nothing(world):
    trip, _ = journey(world, Sweeps({}))
    trip.logbook.append(
        entry("memory_as_basis", GO, trip.dataset.content_hash, forced="waits for archetypes GO", run="f")
    )
    step = next(s for s in roadmap_to_json(trip.standing())["steps"] if s["study"] == "memory_as_basis")
    assert (step["state"], step["verdict"]) == ("HELD", None)
    assert step["forced"] == {"verdict": GO, "run": "f", "gate": "waits for archetypes GO"}


def test_every_part_of_the_architecture_is_chosen_by_what_can_happen():
    verdicts = {f"{step.study} {verdict}" for step in ROADMAP.steps for verdict in (GO, NO_GO)}
    settled = {c.settles for step in ROADMAP.steps for c in step.consequences.values() if c.settles}
    keys = {key for part in ARCHITECTURE for key, _ in part.rules}
    assert keys <= verdicts | settled
    assert {d.study for d in SECTION_6_3} <= {e.study for e in SECTION_10} <= set(STUDIES)
    assert {e.study: e.updated for e in SECTION_10} == {
        e.study: search_spaces.load(e.study).prior.probability for e in SECTION_10
    }


# What the first verdict opens, and what these open.
_OPENED = ("archetypes", "components", "linear_readout", "manifold", "memory_as_basis")


def test_where_nothing_can_run_the_advice_names_what_to_build_first(tmp_path, monkeypatch):
    load = search_spaces.load
    missing = {name: "a study of directions" for name in _OPENED}
    monkeypatch.setattr(
        search_spaces, "load", lambda n: dataclasses.replace(load(n), missing=missing.get(n, load(n).missing))
    )
    write_latents(tmp_path / "toy")
    trip, _ = journey(tmp_path, Sweeps({}))
    trip.logbook.append(entry(data_hash=trip.dataset.content_hash, reason="as measured"))
    said = " ".join(advice(trip.standing()))
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
