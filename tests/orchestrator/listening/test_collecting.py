"""Answers from outside are refused or counted, and enter the verdict as the study says."""

import json
import shutil

import pytest

from orchestrator.judging.criteria import Outcome
from orchestrator.judging.preference import detectable_preference
from orchestrator.judging.verdict import Verdict
from orchestrator.listening.collecting import collect_answers
from orchestrator.listening.panel import KEY_FILE, PANEL_FOLDER, Method
from orchestrator.records.evidence import Evidence
from search_spaces.study import PREFERENCE
from tests.orchestrator.listening.listeners import (
    VERSUS,
    always_left,
    answer_file,
    panel_answers,
    prefers,
    rates,
    run_with_panel,
)
from tests.orchestrator.synthetic_evidence import STUDY
from trainables.errors import InputError


def outcome(judgement):
    return next(r for r in judgement.criteria if r.criterion.metric == PREFERENCE)


@pytest.mark.parametrize(
    ("share", "verdict", "found"),
    [
        (0.8, Verdict.GO, Outcome.MET),
        (0.5, Verdict.INCONCLUSIVE, Outcome.UNDECIDED),
        (0.2, Verdict.NO_GO, Outcome.FAILED),
    ],
)
def test_what_eight_listeners_prefer_can_block_a_go(tmp_path, share, verdict, found):
    run, trials = run_with_panel(tmp_path, pairs=25)
    collected = collect_answers(run, panel_answers(run, trials, [prefers(share)] * 8))
    result = outcome(collected.judgement)
    assert collected.judgement.verdict is verdict, collected.judgement.reason
    assert result.outcome is found and not collected.left_out
    assert (result.estimate.n_seeds, result.estimate.n_speakers) == (8, 25)
    assert result.estimate.estimate == pytest.approx(share, abs=0.1)
    told = json.loads((run / "verdict.json").read_text())
    assert told["verdict"] == str(verdict)
    assert "listeners" in (run / "report.html").read_text()


def test_without_answers_a_go_is_a_go_and_the_criterion_is_not_asked_yet(tmp_path):
    from orchestrator.lifecycle.rejudge import rejudge

    run, _ = run_with_panel(tmp_path)
    judgement, _ = rejudge(run)
    assert judgement.verdict is Verdict.GO and outcome(judgement).outcome is Outcome.NOT_ASKED
    assert "listen make" in outcome(judgement).sentence and "listen make" not in judgement.reason


def test_seven_listeners_speak_for_themselves(tmp_path):
    run, trials = run_with_panel(tmp_path, pairs=25)
    judgement = collect_answers(run, panel_answers(run, trials, [prefers(0.1)] * 7)).judgement
    assert judgement.verdict is Verdict.GO and outcome(judgement).outcome is Outcome.TOO_FEW
    assert "for these listeners" in outcome(judgement).sentence


def test_who_presses_left_or_fails_catch_trials_is_left_out_by_name(tmp_path):
    run, trials = run_with_panel(tmp_path, pairs=25)
    habits = [prefers(0.8)] * 8 + [always_left, prefers(0.0, careful=False)]
    collected = collect_answers(run, panel_answers(run, trials, habits))
    assert set(collected.left_out) == {"L8", "L9"}
    assert "random walk to true speech in 2 of 2" in collected.left_out["L9"]
    assert outcome(collected.judgement).estimate.n_seeds == 8
    assert collected.judgement.verdict is Verdict.GO
    kept = Evidence.read(run / "evidence.json").ratings["listeners"]
    assert [bool(listener["left_out"]) for listener in kept] == [False] * 8 + [True] * 2


def test_a_panel_that_mostly_fails_its_catch_trials_is_inadmissible(tmp_path):
    run, trials = run_with_panel(tmp_path)
    habits = [prefers(0.8)] * 4 + [prefers(0.8, careful=False)] * 5
    judgement = collect_answers(run, panel_answers(run, trials, habits)).judgement
    assert judgement.verdict is Verdict.INADMISSIBLE and "catch trials" in judgement.reason


def test_answers_to_several_pages_are_joined_and_none_may_be_missing(tmp_path):
    run, trials = run_with_panel(tmp_path, pairs=12, most_bytes=165_000)
    parts = 2
    files = [
        answer_file(run, trials, f"L{i}", prefers(0.8), i, page) for i in range(8) for page in range(parts)
    ]
    assert outcome(collect_answers(run, files).judgement).estimate.n_speakers == 12
    with pytest.raises(InputError, match="L3 has not answered 1 of 2 pages"):
        collect_answers(run, [file for file in files if file.name != "L3-1.json"])


def edited(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


ATTACKS = {
    "another panel": (lambda f, t: edited(f, panel="0" * 64), "another panel"),
    "an altered page": (lambda f, t: edited(f, page="0" * 64), "altered page"),
    "a page that is no text": (lambda f, t: edited(f, page=["x"]), "altered page"),
    "markup in a code": (lambda f, t: edited(f, listener="<b>x</b>"), "listener has to be"),
    "a code that is no text": (lambda f, t: edited(f, listener=7), "listener has to be"),
    "an answer left out": (
        lambda f, t: edited(f, choices=dict(list(json.loads(f.read_text())["choices"].items())[1:])),
        "does not answer each",
    ),
    "a sound of another trial": (
        lambda f, t: edited(f, choices=json.loads(f.read_text())["choices"] | {t[0].name: t[1].sounds[0]}),
        "none of its sounds",
    ),
    "an answer that is a list": (
        lambda f, t: edited(f, choices=json.loads(f.read_text())["choices"] | {t[0].name: []}),
        "none of its sounds",
    ),
    "ten megabytes": (lambda f, t: f.write_text(f.read_text() + " " * 10_000_000), "over 1 MB"),
    "a list": (lambda f, t: f.write_text("[]"), "not a file of answers"),
    "no JSON": (lambda f, t: f.write_text("{"), "not a file of answers"),
    "other bytes": (lambda f, t: f.write_bytes(b"\xff\xfe\x00"), "not a file of answers"),
    "deep nesting": (lambda f, t: f.write_text("[" * 100_000), "not a file of answers"),
    "nothing": (lambda f, t: f.unlink(), "cannot be read"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_bad_files_are_refused_in_a_sentence_and_change_nothing(tmp_path, attack):
    run, trials = run_with_panel(tmp_path)
    files = panel_answers(run, trials, [prefers(0.8)] * 3)
    before = (run / "evidence.json").read_bytes()
    spoil, sentence = ATTACKS[attack]
    spoil(files[1], trials)
    with pytest.raises(InputError, match=sentence) as refused:
        collect_answers(run, files)
    assert str(files[1]) in str(refused.value) and "\n" not in str(refused.value)
    assert (run / "evidence.json").read_bytes() == before and not (run / "verdict.json").exists()


def test_the_same_listener_twice_is_refused(tmp_path):
    run, trials = run_with_panel(tmp_path)
    files = panel_answers(run, trials, [prefers(0.8)] * 3)
    copy = shutil.copy(files[0], tmp_path / "copy.json")
    with pytest.raises(InputError, match="both of listener L0"):
        collect_answers(run, [*files, copy])


def test_a_swapped_key_is_refused(tmp_path):
    run, trials = run_with_panel(tmp_path)
    files = panel_answers(run, trials, [prefers(0.2)] * 8)
    key = run / PANEL_FOLDER / KEY_FILE
    key.write_text(
        key.read_text().replace('"vmf"', '"?"').replace(f'"{VERSUS}"', '"vmf"').replace('"?"', '"mdn"')
    )
    with pytest.raises(InputError, match="not the key that was sealed"):
        collect_answers(run, files)


def test_what_is_no_run_is_refused_and_not_made_one(tmp_path):
    with pytest.raises(InputError, match=r"evidence\.json"):
        collect_answers(tmp_path / "nosuch", [])
    assert not (tmp_path / "nosuch").exists()


def test_more_listeners_and_more_pairs_detect_less():
    few, more, many = (detectable_preference(*n, STUDY) for n in ((25, 8), (25, 16), (50, 16)))
    assert 0.5 < many < more < few < 0.7


def test_ratings_are_preferences_of_who_is_rated_higher(tmp_path):
    run, trials = run_with_panel(tmp_path, pairs=25, method=Method.RATING)
    habits = [rates(0.8)] * 8 + [rates(0.0, careful=False)]
    collected = collect_answers(run, panel_answers(run, trials, habits))
    assert set(collected.left_out) == {"L8"} and "hidden reference" in collected.left_out["L8"]
    result = outcome(collected.judgement)
    assert result.outcome is Outcome.MET and result.estimate.estimate == pytest.approx(0.8, abs=0.1)
    assert (result.estimate.n_seeds, result.estimate.n_speakers) == (8, 25)


@pytest.mark.parametrize("value", [101, -1, 50.5, True, None, "50"])
def test_a_rating_that_is_none_is_refused(tmp_path, value):
    run, trials = run_with_panel(tmp_path, method=Method.RATING)
    (file,) = panel_answers(run, trials, [rates(0.5)])
    choices = json.loads(file.read_text())["choices"]
    choices[trials[0].name] |= {trials[0].sounds[0]: value}
    edited(file, choices=choices)
    with pytest.raises(InputError, match="none of its sounds"):
        collect_answers(run, [file])
