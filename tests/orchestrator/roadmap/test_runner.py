"""The journey: what runs in which order, and how a killed one goes on."""

import dataclasses
import json

import pytest

import search_spaces
from orchestrator.roadmap.log import STARTED, Logbook
from orchestrator.roadmap.runner import RoadmapRequest, RoadmapRunner
from orchestrator.roadmap.status import advice
from search_spaces.roadmap import GO, INADMISSIBLE, NO_GO
from tests.orchestrator.roadmap.recorded_verdicts import STUDIES, Sweeps, journey, states
from tests.orchestrator.tiny_world import write_latents
from trainables.errors import InputError


def test_a_journey_runs_what_verdicts_allow_in_order_and_nothing_twice(world):
    sweeps = Sweeps({"archetypes": NO_GO, "manifold": NO_GO})
    trip, said = journey(world, sweeps)
    page = trip.run()
    assert [name for name, *_ in sweeps.ran] == [
        n for n in STUDIES if n not in ("memory_as_basis", "score_correction")
    ]
    text = "\n".join(said)
    assert "memory_as_basis: SKIPPED, archetypes ended NO-GO" in text
    assert "archetypes ended NO-GO. Failure → pure parametric vMF." in text
    record = json.loads(page.with_suffix(".json").read_text())
    assert record["brier"]["count"] == 9 and record["spent"]["device_hours"] == pytest.approx(2.25)
    assert {"pure parametric vMF", "no score correction"} <= {s["decision"] for s in record["settled"]}
    again = Sweeps({})
    journey(world, again)[0].run()
    assert again.ran == []


def test_a_killed_journey_goes_on_where_it_was(world, monkeypatch):
    first = Sweeps({}, killed=["representations"])
    trip, _ = journey(world, first, until=1)
    with pytest.raises(KeyboardInterrupt):
        trip.run()
    left = Logbook(world / "runs").entries()[-1]
    assert (left.event, left.study) == (STARTED, "representations")
    asked = []

    def unfinished(out, arguments, data_hash, code, data):
        asked.append(arguments["study"])
        return out / left.run

    monkeypatch.setattr("orchestrator.roadmap.runner.unfinished_run", unfinished)
    second = Sweeps({})
    journey(world, second, until=1)[0].run()
    assert second.ran == [("representations", "toy", True), ("perception", "toy", False)]
    assert asked == ["representations"]
    starts = [e.study for e in Logbook(world / "runs").entries() if e.event == STARTED]
    assert starts == ["vmf_vs_mdn", "representations", "perception"]


def test_a_run_judged_just_before_the_kill_is_taken_up_not_repeated(world):
    sweeps = Sweeps({})
    trip, _ = journey(world, sweeps, until=1)
    trip.run()
    book = Logbook(world / "runs")
    *kept, last = book.path.read_text().splitlines(keepends=True)
    book.path.write_text("".join(kept))  # the verdict was found, and never written down
    run = world / "runs" / json.loads(last)["run"]
    (run / "journal.jsonl").write_text('{"event": "judged", "verdict": "GO"}\n')
    again = Sweeps({})
    journey(world, again, until=1)[0].run()
    assert again.ran == [] and book.entries()[-1].verdict == GO


def test_an_unfinished_run_of_other_code_starts_afresh_and_says_so(world):
    trip, _ = journey(world, Sweeps({}, killed=["vmf_vs_mdn"]), until=1)
    with pytest.raises(KeyboardInterrupt):
        trip.run()
    second = Sweeps({})
    trip, said = journey(world, second, until=1)
    trip.run()  # the stand-in has left no journal to resume from
    assert second.ran[0] == ("vmf_vs_mdn", "toy", False)
    assert any("starts afresh: --resume found no unfinished run" in line for line in said)


def test_inadmissible_is_paid_for_again_only_once_something_has_changed(world):
    first = Sweeps({"vmf_vs_mdn": INADMISSIBLE})
    journey(world, first, until=1)[0].run()
    assert [name for name, *_ in first.ran].count("vmf_vs_mdn") == 1
    again = Sweeps({})
    journey(world, again, until=1)[0].run()
    assert again.ran == []
    other, _ = journey(world, again, until=1, seed=7)
    assert states(other.standing().outlook)["vmf_vs_mdn"] == "READY"
    other.run()
    assert [name for name, *_ in again.ran] == ["vmf_vs_mdn"]


def test_other_latents_or_other_criteria_ask_again(world, monkeypatch):
    journey(world, Sweeps({}), until=1)[0].run()
    write_latents(world / "other", seed=5)
    trip = RoadmapRunner(
        RoadmapRequest(latents=str(world / "other"), out=world / "runs", until=1),
        say=print,
        sweep=Sweeps({}),
    )
    assert trip.standing().outlook.ready[0] == "vmf_vs_mdn"
    load = search_spaces.load
    monkeypatch.setattr(
        search_spaces, "load", lambda name: dataclasses.replace(load(name), hypothesis="other")
    )
    assert journey(world, Sweeps({}), until=1)[0].standing().outlook.ready[0] == "vmf_vs_mdn"


def test_after_a_switch_later_steps_run_on_the_latents_that_won(world):
    sweeps = Sweeps({"vmf_vs_mdn": NO_GO, "representations": GO})
    trip, _ = journey(world, sweeps)
    with pytest.raises(InputError, match=r"switched to better, but .*better does not exist; encode it with"):
        trip.run()
    assert [name for name, *_ in sweeps.ran] == ["vmf_vs_mdn", "representations"]
    write_latents(world / "better", representation="better", seed=3)
    second = Sweeps({})
    trip, _ = journey(world, second)
    trip.run()
    assert second.ran and all(representation == "better" for _, representation, _ in second.ran)
    assert "vmf_vs_mdn failed on toy: ask it again on better." in advice(trip.standing())
