"""What each verdict opens, closes and settles."""

import re

import pytest

from orchestrator.roadmap.gates import RecordedVerdict, StepState, decide
from search_spaces.roadmap import GO, INADMISSIBLE, INCONCLUSIVE, NO_GO, ROADMAP, VERDICTS
from tests.orchestrator.roadmap.recorded_verdicts import states


def outlook(missing=(), until=None, winner="soundstream", **verdicts):
    """The roadmap after these verdicts; nothing is missing but what is named."""
    found = {
        n: RecordedVerdict(v, f"{n} was measured", winner if n == "representations" else "")
        for n, v in verdicts.items()
    }
    return decide(ROADMAP, found, {name: "a part not built" for name in missing}, until)


# 6.3, one line per branch: verdicts, what is ready next among the named, what is skipped, what is settled.
BRANCHES = [
    (
        {"vmf_vs_mdn": GO},
        {"archetypes", "linear_readout", "manifold", "two_stage_oracle"},
        set(),
        "factorize",
    ),
    (
        {"vmf_vs_mdn": NO_GO},
        {"score_correction", "representations"},
        {"archetypes", "memory_as_basis", "manifold", "two_stage_oracle", "two_stage"},
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
    ({"vmf_vs_mdn": GO, "two_stage_oracle": GO}, {"two_stage"}, set(), ""),
    ({"vmf_vs_mdn": GO, "two_stage_oracle": NO_GO}, set(), {"two_stage"}, "direction and magnitude stay"),
    (
        {"vmf_vs_mdn": GO, "two_stage_oracle": GO, "two_stage": GO},
        set(),
        set(),
        "final architecture",
    ),
    ({"perception": GO}, set(), set(), "vMF is correct factorization"),
]


@pytest.mark.parametrize(("verdicts", "ready", "skipped", "settled"), BRANCHES)
def test_every_branch_opens_closes_and_settles_what_the_document_says(verdicts, ready, skipped, settled):
    seen = outlook(**verdicts)
    assert ready <= set(seen.ready)
    assert {name for name, state in states(seen).items() if state == "SKIPPED"} >= skipped
    assert any(status.settles.startswith(settled) for status in seen.settled) if settled else True
    for study, verdict in verdicts.items():
        assert seen.status(study).state is StepState.DONE and seen.status(study).verdict == verdict
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
        assert seen.status(study).state is StepState.HELD
    assert f"vmf_vs_mdn ended {verdict} (vmf_vs_mdn was measured)" in seen.status("archetypes").reason
    assert not seen.settled and "representations" in seen.ready


def test_what_is_not_built_blocks_its_step_and_holds_what_depends_on_it():
    seen = outlook(missing=("archetypes",), vmf_vs_mdn=GO)
    assert seen.status("archetypes").state is StepState.BLOCKED
    assert seen.status("archetypes").reason == "waits for a part not built"
    assert seen.status("memory_as_basis").state is StepState.HELD
    assert seen.status("memory_as_basis").reason == "waits for archetypes GO: archetypes is BLOCKED"
    assert states(outlook(missing=("archetypes",), vmf_vs_mdn=NO_GO))["archetypes"] == "SKIPPED"


def test_until_leaves_later_tiers_alone_but_not_what_was_found_there():
    assert {s.step.tier for s in outlook(until=1, vmf_vs_mdn=GO).of(StepState.BEYOND)} == {2, 3}
    assert states(outlook(until=1, vmf_vs_mdn=GO, manifold=GO))["manifold"] == "DONE"
    assert states(outlook(until=2, vmf_vs_mdn=NO_GO))["two_stage"] == "SKIPPED"
    assert not outlook(until=3).of(StepState.BEYOND)


def test_a_better_representation_is_what_later_steps_run_on():
    assert outlook(representations=GO).representation == "soundstream"
    assert outlook(representations=NO_GO).representation == "" == outlook().representation


def reachable(missing):
    """Every outlook that running what is ready, with any verdict, can lead to."""
    ahead = [{}]
    while ahead:
        found = ahead.pop()
        now = decide(ROADMAP, {n: RecordedVerdict(v) for n, v in found.items()}, dict.fromkeys(missing, "x"))
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
            assert status.reason and (status.state is StepState.DONE) == bool(status.recorded)
            assert opened == (status.state in (StepState.DONE, StepState.READY, StepState.BLOCKED))
            assert (status.step.study in found) == (status.state is StepState.DONE)
            assert (status.state is StepState.BLOCKED) == (opened and status.step.study in missing)
            if status.state is StepState.HELD:
                assert re.search(r"INCONCLUSIVE|INADMISSIBLE|BLOCKED|HELD|not been answered", status.reason)
        settled = {status.settles for status in now.settled}
        assert not {"memory-as-basis", "pure parametric vMF"} <= settled
        assert not {"deploy score correction", "no score correction"} <= settled
        ends += not now.ready
    assert ends > 20
