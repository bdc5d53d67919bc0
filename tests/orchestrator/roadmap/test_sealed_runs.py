"""Verdicts that sweeps left in the folder of runs count as those of the roadmap do."""

import dataclasses
import json
import os

import pytest

import search_spaces
from orchestrator.records.code_versions import full_version
from orchestrator.records.journal import Journal
from orchestrator.roadmap.status import advice
from search_spaces.effort import with_effort, with_settings
from search_spaces.roadmap import GO, INADMISSIBLE, NO_GO
from search_spaces.study import bound, declared
from tests.orchestrator.roadmap.recorded_verdicts import FIGURE, Sweeps, journey, states


def sealed_run(
    world, name="vmf_vs_mdn", verdict=GO, *, change=lambda s: s, data_hash=None, smoke=False, run="r"
):
    """A run folder as a sweep leaves it: planned, sealed and judged."""
    trip, _ = journey(world, Sweeps({}))
    study = change(search_spaces.load(name))
    datasets = [trip.dataset, *trip._others] if study.compares else [trip.dataset]
    names = [d.meta.representation for d in datasets]
    latents = trip.latents_of(study)
    seal = {
        "study": declared(bound(study, names)),
        "data": {"hash": data_hash or latents.content_hash, "representation": ", ".join(names)},
    }
    folder = world / "runs" / f"{name}-{run}"
    journal = Journal(folder)
    journal.append("planned", arguments={"study": name, "smoke": smoke}, data_hash=seal["data"]["hash"])
    journal.append("sealed", seal=json.loads(json.dumps(seal)))
    arms = {arm.name: {"config": {"representation": names[-1]}} for arm in study.arms}
    provenance = {"code_of_verdict": full_version(), "seed": 0}
    evidence = {"arms": arms, "cost": {"spent": {"device_hours": 0.5}}, "provenance": provenance}
    (folder / "evidence.json").write_text(json.dumps(evidence))
    judgement = {"verdict": verdict, "reason": "as swept", "prior": 0.6, "criteria": [FIGURE]}
    (folder / "verdict.json").write_text(json.dumps(judgement))
    journal.append("judged", verdict=verdict)
    return folder


def seen(world, **more):
    return journey(world, Sweeps({}), **more)[0].standing()


def test_a_sealed_verdict_of_a_sweep_counts_and_is_not_asked_again(world):
    folder = sealed_run(world)
    standing = seen(world)
    assert states(standing.outlook)["vmf_vs_mdn"] == "DONE" and "archetypes" in standing.outlook.ready
    assert standing.verdicts["vmf_vs_mdn"].run == folder.name
    assert "Nothing is decided yet" not in " ".join(advice(standing))
    sweeps = Sweeps({})
    journey(world, sweeps, until=1)[0].run()
    assert [name for name, *_ in sweeps.ran] == ["representations", "perception"]


def test_what_is_shown_of_a_verdict_is_the_criterion_that_decided_it(world):
    path = sealed_run(world) / "verdict.json"
    other = {**FIGURE, "role": "required", "name": "quality", "metric": "skill@8"}
    verdict = {**json.loads(path.read_text()), "criteria": [{**FIGURE, "name": "direction"}, other]}
    shown = {}
    for decisive in ({}, {"decisive": "direction"}, {"decisive": "quality"}):
        path.write_text(json.dumps({**verdict, **decisive}, indent=len(decisive)))
        os.utime(path, (0, len(shown)))  # each is another version of the record
        shown[decisive.get("decisive")] = seen(world).verdicts["vmf_vs_mdn"].figure["metric"]
    assert shown == {None: "cos@16", "direction": "cos@16", "quality": "skill@8"}


def test_a_sealed_comparison_of_the_same_representations_counts(world):
    sealed_run(world, "representations", NO_GO)
    assert states(seen(world).outlook)["representations"] == "DONE"


@pytest.mark.parametrize(
    "more",
    [
        {"data_hash": "of other latents"},
        {"smoke": True},
        {"change": lambda study: dataclasses.replace(study, hypothesis="another one")},
        {"change": lambda study: with_settings(study, {"width": 8})},
        {"verdict": INADMISSIBLE, "change": lambda study: with_effort(study, "standard")},
    ],
)
def test_what_was_asked_otherwise_does_not_count(world, more):
    sealed_run(world, **more)
    assert states(seen(world).outlook)["vmf_vs_mdn"] == "READY"


def test_less_effort_does_not_answer_for_more(world):
    sealed_run(world)
    assert states(seen(world, effort="standard").outlook)["vmf_vs_mdn"] == "READY"
    sealed_run(world, change=lambda study: with_effort(study, "thorough"), run="s")
    assert states(seen(world, effort="standard").outlook)["vmf_vs_mdn"] == "DONE"


def test_the_same_inadmissible_run_is_not_paid_for_again(world):
    sealed_run(world, verdict=INADMISSIBLE)
    assert states(seen(world).outlook)["vmf_vs_mdn"] == "DONE"
    assert states(seen(world, seed=1).outlook)["vmf_vs_mdn"] == "READY"


def test_a_run_that_was_judged_again_counts_as_judged_last(world):
    journey(world, Sweeps({}), until=1)[0].run()
    folder = sealed_run(world)
    book = journey(world, Sweeps({}))[0].logbook
    entry = next(e for e in book.entries() if e.study == "vmf_vs_mdn" and e.verdict)
    book.append(dataclasses.replace(entry, run=folder.name, time=0.0))
    (folder / "verdict.json").write_text(
        json.dumps({"verdict": NO_GO, "reason": "listeners object", "prior": 0.6})
    )
    assert seen(world).verdicts["vmf_vs_mdn"].verdict == NO_GO


def test_a_damaged_run_is_passed_over(world):
    folder = sealed_run(world)
    (folder / "evidence.json").write_text("{")
    assert states(seen(world).outlook)["vmf_vs_mdn"] == "READY"


def test_what_will_be_compared_is_said_before_anything_begins(world):
    trip, said = journey(world, Sweeps({}), until=1)
    trip.run()
    assert said[0] == (
        f"representations compares toy ({world / 'toy'}) with second ({world / 'second'}), "
        "of the same audio, found beside it"
    )
    given, _ = journey(world, Sweeps({}), others=(str(world / "second"),))
    assert given.comparison().endswith(f"with second ({world / 'second'}), given")
