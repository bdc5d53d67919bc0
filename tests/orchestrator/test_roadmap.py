"""The roadmap: what each verdict opens, closes and settles, how a killed one goes on, and its page.

Nothing is trained: verdicts are recorded by hand, and a stand-in takes the place of the sweep.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import search_spaces
from orchestrator.reporting.roadmap_page import write_roadmap
from orchestrator.roadmap.__main__ import main
from orchestrator.roadmap.decisions import Found, State, decide
from orchestrator.roadmap.journey import Journey, Order
from orchestrator.roadmap.logbook import ENDED, STARTED, Entry, Logbook
from orchestrator.roadmap.standing import advice
from search_spaces.roadmap import GO, INADMISSIBLE, INCONCLUSIVE, NO_GO, ROADMAP, VERDICTS
from search_spaces.study import criteria_hash
from tests.orchestrator.test_report import _Page
from tests.orchestrator.test_sweep import write_latents
from trainables.errors import InputError

STUDIES = [step.study for step in ROADMAP.steps]


def outlook(missing=(), until=None, winner="soundstream", **verdicts):
    """The roadmap after these verdicts; nothing is missing but what is named."""
    found = {
        n: Found(v, f"{n} was measured", winner if n == "representations" else "")
        for n, v in verdicts.items()
    }
    return decide(ROADMAP, found, {name: "a part not built" for name in missing}, until)


def states(seen):
    return {status.step.study: str(status.state) for status in seen.statuses}


# 6.3, one line per branch: verdicts, what is ready next among the named, what is skipped, what is settled.
BRANCHES = [
    ({"vmf_vs_mdn": GO}, {"archetypes", "linear_readout", "manifold", "two_stage"}, set(), "factorize"),
    (
        {"vmf_vs_mdn": NO_GO},
        {"score_correction", "representations"},
        {"archetypes", "memory_as_basis", "manifold", "two_stage"},
        "",
    ),
    ({"vmf_vs_mdn": GO, "archetypes": GO}, {"memory_as_basis"}, set(), ""),
    ({"vmf_vs_mdn": GO, "archetypes": NO_GO}, set(), {"memory_as_basis"}, "pure parametric vMF"),
    ({"vmf_vs_mdn": GO, "archetypes": GO, "memory_as_basis": GO}, set(), set(), "memory-as-basis"),
    ({"vmf_vs_mdn": GO, "archetypes": GO, "memory_as_basis": NO_GO}, set(), set(), "pure parametric vMF"),
    ({"representations": GO}, {"linear_readout", "components"}, set(), "switch representation"),
    (
        {"representations": NO_GO},
        set(),
        set(),
        "problem is objective/architecture, not representation",
    ),
    ({"vmf_vs_mdn": GO, "linear_readout": GO}, set(), set(), "use linear readout"),
    ({"vmf_vs_mdn": GO, "manifold": GO}, {"score_correction"}, set(), ""),
    ({"vmf_vs_mdn": GO, "manifold": NO_GO}, set(), {"score_correction"}, "no score correction"),
    ({"vmf_vs_mdn": NO_GO, "score_correction": GO}, set(), set(), "deploy score correction"),
    ({"vmf_vs_mdn": GO, "two_stage": GO}, set(), set(), "final architecture"),
    ({"perception": GO}, set(), set(), "vMF is correct factorization"),
]


@pytest.mark.parametrize(("verdicts", "ready", "skipped", "settled"), BRANCHES)
def test_every_branch_opens_closes_and_settles_what_the_document_says(verdicts, ready, skipped, settled):
    seen = outlook(**verdicts)
    assert ready <= set(seen.ready)
    assert {name for name, state in states(seen).items() if state == "SKIPPED"} >= skipped
    assert any(status.settles.startswith(settled) for status in seen.settled) if settled else True
    for study, verdict in verdicts.items():
        assert seen.status(study).state is State.DONE and seen.status(study).verdict == verdict
    for study in skipped:
        assert re.search(r"\w+ ended (NO-)?GO", seen.status(study).reason)


@pytest.mark.parametrize(
    ("study", "verdicts", "state"),
    [
        ("linear_readout", {}, "HELD"),
        ("linear_readout", {"vmf_vs_mdn": GO}, "READY"),
        ("linear_readout", {"representations": GO}, "READY"),
        ("linear_readout", {"vmf_vs_mdn": NO_GO}, "HELD"),  # representations may still open it
        ("linear_readout", {"vmf_vs_mdn": NO_GO, "representations": NO_GO}, "SKIPPED"),
        ("score_correction", {"vmf_vs_mdn": GO}, "HELD"),
        ("score_correction", {"vmf_vs_mdn": NO_GO}, "READY"),
        ("score_correction", {"vmf_vs_mdn": GO, "manifold": GO}, "READY"),
        ("score_correction", {"vmf_vs_mdn": GO, "manifold": INCONCLUSIVE}, "HELD"),
        ("memory_as_basis", {"archetypes": GO}, "HELD"),  # found on a branch that is not open
        ("memory_as_basis", {"vmf_vs_mdn": NO_GO, "archetypes": GO}, "SKIPPED"),
    ],
)
def test_each_alternative_of_a_gate_opens_it(study, verdicts, state):
    assert states(outlook(**verdicts))[study] == state


@pytest.mark.parametrize("verdict", [INCONCLUSIVE, INADMISSIBLE])
def test_no_yes_and_no_no_holds_the_branch_and_says_what_would_settle_it(verdict):
    seen = outlook(vmf_vs_mdn=verdict)
    for study in ("archetypes", "memory_as_basis", "manifold", "two_stage", "score_correction"):
        assert seen.status(study).state is State.HELD
    assert f"vmf_vs_mdn ended {verdict} (vmf_vs_mdn was measured)" in seen.status("archetypes").reason
    assert not seen.settled and "representations" in seen.ready


def test_what_is_not_built_blocks_its_step_and_holds_what_depends_on_it():
    seen = outlook(missing=("archetypes",), vmf_vs_mdn=GO)
    assert seen.status("archetypes").state is State.BLOCKED
    assert seen.status("archetypes").reason == "waits for a part not built"
    assert seen.status("memory_as_basis").state is State.HELD
    assert seen.status("memory_as_basis").reason == "waits for archetypes GO: archetypes is BLOCKED"
    assert states(outlook(missing=("archetypes",), vmf_vs_mdn=NO_GO))["archetypes"] == "SKIPPED"


def test_until_leaves_later_tiers_alone_but_not_what_was_found_there():
    assert {s.step.tier for s in outlook(until=1, vmf_vs_mdn=GO).of(State.BEYOND)} == {2, 3}
    assert states(outlook(until=1, vmf_vs_mdn=GO, manifold=GO))["manifold"] == "DONE"
    assert states(outlook(until=2, vmf_vs_mdn=NO_GO))["two_stage"] == "SKIPPED"
    assert not outlook(until=3).of(State.BEYOND)


def test_a_better_representation_is_what_later_steps_run_on():
    assert outlook(representations=GO).representation == "soundstream"
    assert outlook(representations=NO_GO).representation == "" == outlook().representation


def reachable(missing):
    """Every outlook that running what is ready, with any verdict, can lead to."""
    ahead = [{}]
    while ahead:
        found = ahead.pop()
        now = decide(ROADMAP, {n: Found(v) for n, v in found.items()}, dict.fromkeys(missing, "x"))
        yield found, now
        ahead += [{**found, study: verdict} for study in now.ready[:1] for verdict in VERDICTS]


LEAVES = ("perception", "components", "two_stage")  # nothing depends on them: they multiply the cases only


@pytest.mark.parametrize("missing", [LEAVES, (*LEAVES, "representations"), ("archetypes", "manifold")])
def test_whatever_the_verdicts_every_step_has_one_state_with_a_reason_and_none_runs_too_early(missing):
    ends = 0
    for found, now in reachable(missing):
        assert [status.step for status in now.statuses] == list(ROADMAP.steps)
        for status in now.statuses:
            opened = any(all(found.get(c.study) == c.verdict for c in a) for a in status.step.gate)
            assert status.reason and (status.state is State.DONE) == bool(status.found)
            assert opened == (status.state in (State.DONE, State.READY, State.BLOCKED))
            assert (status.step.study in found) == (status.state is State.DONE)
            assert (status.state is State.BLOCKED) == (opened and status.step.study in missing)
            if status.state is State.HELD:
                assert re.search(r"INCONCLUSIVE|INADMISSIBLE|BLOCKED|HELD|not been answered", status.reason)
        settled = {status.settles for status in now.settled}
        assert not {"memory-as-basis", "pure parametric vMF"} <= settled
        assert not {"deploy score correction", "no score correction"} <= settled
        ends += not now.ready
    assert ends > 20


# --- The log -----------------------------------------------------------------------------------------------


def entry(study="vmf_vs_mdn", verdict=GO, data_hash="h", run="r", **more):
    told = search_spaces.load(study)
    event = ENDED if verdict else STARTED
    return Entry(
        event, study, criteria_hash(told), data_hash, "toy", run, verdict=verdict, prior=0.6, **more
    )  # fmt: skip


def test_the_log_gives_back_what_was_written_and_passes_over_a_torn_end(tmp_path):
    book = Logbook(tmp_path)
    assert book.entries() == []
    first, second = entry(verdict=""), entry(reason="“as is”", cost={"spent": {"device_hours": 0.5}})
    book.append(first)
    with book.path.open("ab") as log:
        log.write(b'{"event": "ended", "study": "vm')
    assert book.entries() == [first]
    book.append(second)
    assert book.entries() == [first, second]
    book.path.write_bytes(book.path.read_bytes().rstrip(b"\n"))  # an editor took the last line's end
    book.append(first)
    assert book.entries() == [first, second, first]


@pytest.mark.parametrize(
    "line", ["notes of mine", '{"event": "ended", "colour": 1}\n', '["started"]\n', "{}\n"]
)
def test_a_foreign_line_is_refused_in_one_sentence_and_nothing_is_lost(tmp_path, line):
    book = Logbook(tmp_path)
    book.append(entry())
    with book.path.open("a") as log:
        log.write(line)
    before = book.path.read_bytes()
    with pytest.raises(InputError, match=r"line 2 of .*roadmap\.jsonl is no entry") as error:
        book.entries()
    assert "\n" not in str(error.value) and book.path.read_bytes() == before


def test_smoke_runs_are_kept_apart(tmp_path):
    Logbook(tmp_path, smoke=True).append(entry(smoke=True))
    assert Logbook(tmp_path).entries() == []
    assert len(Logbook(tmp_path, smoke=True).entries()) == 1


def test_two_roadmaps_do_not_share_a_folder(tmp_path):
    with Logbook(tmp_path).held(), pytest.raises(InputError, match="another roadmap is at work"):
        with Logbook(tmp_path).held():
            pass


# --- The journey -------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Latents, and every study of the roadmap able to run."""
    load = search_spaces.load
    monkeypatch.setattr(search_spaces, "load", lambda name: dataclasses.replace(load(name), missing=""))
    monkeypatch.setattr(
        "orchestrator.roadmap.journey.design_of", lambda *_: None
    )  # four speakers decide nothing
    write_latents(tmp_path / "toy")
    write_latents(tmp_path / "second", representation="second")  # to compare with
    return tmp_path


class Sweeps:
    """Stands in for the sweep: ends every study with the verdict that was chosen for it."""

    def __init__(self, verdicts, killed=()):
        self.verdicts, self.killed, self.ran = {"representations": NO_GO, **verdicts}, set(killed), []

    def __call__(self, study, latents, folder, resumed):
        self.ran.append((study.name, latents.first.meta.representation, resumed))
        if study.name in self.killed:
            self.killed.remove(study.name)
            raise KeyboardInterrupt
        verdict = self.verdicts.get(study.name, GO)
        arms = {arm.name: {"config": {"representation": "better"}} for arm in study.arms}
        spent = {"device_hours": 0.25, "wall_hours": 0.125, "price": None}
        (folder / "evidence.json").write_text(json.dumps({"arms": arms, "cost": {"spent": spent}}))
        told = {"verdict": verdict, "reason": "as measured", "consequence": "", "prior": 0.6}
        (folder / "verdict.json").write_text(json.dumps(told))


def journey(world, sweeps, **more):
    said = []
    order = Order(str(world / "toy"), world / "runs", **more)
    return Journey(order, say=said.append, sweep=sweeps), said


def test_a_journey_runs_what_verdicts_allow_in_order_and_nothing_twice(world):
    sweeps = Sweeps({"archetypes": NO_GO, "manifold": NO_GO})
    trip, said = journey(world, sweeps)
    page = trip.travel()
    assert [name for name, *_ in sweeps.ran] == [
        n for n in STUDIES if n not in ("memory_as_basis", "score_correction")
    ]
    text = "\n".join(said)
    assert "memory_as_basis: SKIPPED, archetypes ended NO-GO" in text
    assert "archetypes ended NO-GO. Failure → pure parametric vMF." in text
    told = json.loads(page.with_suffix(".json").read_text())
    assert told["brier"]["count"] == 8 and told["spent"]["device_hours"] == pytest.approx(2.0)
    assert {"pure parametric vMF", "no score correction"} <= {s["decision"] for s in told["settled"]}
    again = Sweeps({})
    journey(world, again)[0].travel()
    assert again.ran == []


def test_a_killed_journey_goes_on_where_it_was(world, monkeypatch):
    first = Sweeps({}, killed=["representations"])
    trip, _ = journey(world, first, until=1)
    with pytest.raises(KeyboardInterrupt):
        trip.travel()
    left = Logbook(world / "runs").entries()[-1]
    assert (left.event, left.study) == (STARTED, "representations")
    asked = []

    def unfinished(out, arguments, data_hash, code, data):
        asked.append(arguments["study"])
        return out / left.run

    monkeypatch.setattr("orchestrator.roadmap.journey.unfinished_run", unfinished)
    second = Sweeps({})
    journey(world, second, until=1)[0].travel()
    assert second.ran == [("representations", "toy", True), ("perception", "toy", False)]
    assert asked == ["representations"]
    starts = [e.study for e in Logbook(world / "runs").entries() if e.event == STARTED]
    assert starts == ["vmf_vs_mdn", "representations", "perception"]


def test_a_run_judged_just_before_the_kill_is_taken_up_not_repeated(world):
    sweeps = Sweeps({})
    trip, _ = journey(world, sweeps, until=1)
    trip.travel()
    book = Logbook(world / "runs")
    *kept, last = book.path.read_text().splitlines(keepends=True)
    book.path.write_text("".join(kept))  # the verdict was found, and never written down
    run = world / "runs" / json.loads(last)["run"]
    (run / "journal.jsonl").write_text('{"event": "judged", "verdict": "GO"}\n')
    again = Sweeps({})
    journey(world, again, until=1)[0].travel()
    assert again.ran == [] and book.entries()[-1].verdict == GO


def test_an_unfinished_run_of_other_code_starts_afresh_and_says_so(world):
    trip, _ = journey(world, Sweeps({}, killed=["vmf_vs_mdn"]), until=1)
    with pytest.raises(KeyboardInterrupt):
        trip.travel()
    second = Sweeps({})
    trip, said = journey(world, second, until=1)
    trip.travel()  # the stand-in has left no journal to resume from
    assert second.ran[0] == ("vmf_vs_mdn", "toy", False)
    assert any("starts afresh: --resume found no unfinished run" in line for line in said)


def test_inadmissible_is_run_again_next_time_and_not_twice_in_one(world):
    first = Sweeps({"vmf_vs_mdn": INADMISSIBLE})
    journey(world, first, until=1)[0].travel()
    assert [name for name, *_ in first.ran].count("vmf_vs_mdn") == 1
    assert states(journey(world, first, until=1)[0].standing().outlook)["vmf_vs_mdn"] == "READY"
    second = Sweeps({})
    journey(world, second, until=1)[0].travel()
    assert [name for name, *_ in second.ran] == ["vmf_vs_mdn"]


def test_other_latents_or_other_criteria_ask_again(world, monkeypatch):
    journey(world, Sweeps({}), until=1)[0].travel()
    write_latents(world / "other", seed=5)
    trip = Journey(Order(str(world / "other"), world / "runs", until=1), say=print, sweep=Sweeps({}))
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
        trip.travel()
    assert [name for name, *_ in sweeps.ran] == ["vmf_vs_mdn", "representations"]
    write_latents(world / "better", representation="better", seed=3)
    second = Sweeps({})
    trip, _ = journey(world, second)
    trip.travel()
    assert second.ran and all(representation == "better" for _, representation, _ in second.ran)
    assert "vmf_vs_mdn failed on toy: ask it again on better." in advice(trip.standing())


# --- The page, the plan and the command --------------------------------------------------------------------


def test_the_page_says_first_what_was_decided_and_asks_nothing_of_the_network(world):
    trip, _ = journey(
        world, Sweeps({"archetypes": INCONCLUSIVE, "manifold": NO_GO, "perception": INADMISSIBLE})
    )
    path = trip.travel()
    page = _Page(path.read_text(encoding="utf-8"))
    said, told = page.text, json.loads(path.with_suffix(".json").read_text())
    assert said.index(told["advice"]) < said.index("Verdicts and beliefs")
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == 1 and drawings[0]["role"] == "img"
    for step in told["steps"]:
        assert step["study"] in drawings[0]["aria-label"] and step["reason"] in said
    assert all(edge in said for edge in told["edges"])  # as titles of the arrows
    assert all(not address.startswith(("http", "//")) for address in page.addresses)
    assert "Brier score" in said and "device time" in said and "prefers-color-scheme" in path.read_text()
    written = path.with_suffix(".md").read_text()
    assert told["advice"] in written and "| vmf_vs_mdn | 1 | GO |" in written


def test_where_nothing_can_run_the_advice_names_what_to_build_first(tmp_path):
    write_latents(tmp_path / "toy")
    trip, _ = journey(tmp_path, Sweeps({}))
    trip.logbook.append(entry(data_hash=trip.dataset.content_hash, reason="as measured"))
    said = advice(trip.standing())
    assert said.startswith("vmf_vs_mdn is GO. Success → proceed to archetypes. Settles: factorize direction")
    assert "Next is archetypes, which cannot run yet: it waits for a study of directions" in said
    assert "Held until an earlier study says yes or no: memory_as_basis, score_correction." in said


def test_a_fresh_page_claims_nothing(world):
    trip, _ = journey(world, Sweeps({}), smoke=True)
    path = write_roadmap(world / "runs", trip.standing())
    assert path.name == "roadmap-smoke.html"
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["brier"] is None and told["spent"]["device_hours"] is None and told["settled"] == []
    assert "Nothing has been spent yet." in path.read_text() and "Smoke runs" in path.read_text()


class _Costs:
    def text(self):
        return "expected: 8 to 31 min"


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["roadmap", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_plan_names_every_step_with_its_cost_or_what_it_waits_for(tmp_path, monkeypatch, capsys):
    write_latents(tmp_path / "toy")
    write_latents(tmp_path / "second", representation="second")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.costs.estimate", lambda *_: _Costs())
    assert command(monkeypatch, "--plan", "--latents", "toy") == 0
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert all(f" {study} " in said for study in STUDIES)
    assert said.count("expected: 8 to 31 min") == sum(not search_spaces.load(n).missing for n in STUDIES)
    for name in STUDIES:
        assert search_spaces.load(name).missing in said
    assert "Next: run vmf_vs_mdn on toy; then representations." in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--until", "4"], "--until is 4; it must be one of the tiers 1, 2, 3"),
        (["--price", "-1"], "--price is -1; it must be a number, at least 0"),
        (["--seed", "-1"], "--seed is -1; it must be at least 0"),
        (["--latents", "nowhere"], "latents folder nowhere does not exist"),
        (["--latents", "control:directionl"], "did you mean 'directional'?"),
        (["--latents", "toy", "--out", "foreign"], "line 1 of foreign/roadmap.jsonl is no entry"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_latents(tmp_path / "toy")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "roadmap.jsonl").write_text("mine\n")
    for more in ([], ["--plan"]):
        assert command(monkeypatch, *arguments, *more) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and sentence in said and len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "foreign" / "roadmap.jsonl").read_text() == "mine\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_smoke_roadmap_ends_in_its_page_and_a_second_one_runs_nothing_again(tmp_path):
    write_latents(tmp_path / "toy")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("MLFLOW_TRACKING_URI", None)
    line = [sys.executable, "-m", "orchestrator.roadmap", "--smoke", "--until", "1", "--latents", "toy"]
    for _ in range(2):
        done = subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "representations: BLOCKED, waits for" in done.stdout
        assert "roadmap  runs/roadmap-smoke.html" in done.stdout
    entries = Logbook(tmp_path / "runs", smoke=True).entries()
    ends = [e for e in entries if e.event == ENDED]
    if all(e.verdict != INADMISSIBLE for e in ends):
        assert len(ends) == 1
    assert (tmp_path / "runs" / ends[0].run / "report.html").exists()
    assert "device_hours" in ends[0].cost["spent"]
