"""The command `listen`, and what it says to wrong input."""

import json
import sys

import pytest

from orchestrator.listen import main
from orchestrator.listening.panel import KEY_FILE, PANEL_FOLDER
from tests.orchestrator.listening.listeners import panel_answers, prefers, run_with_panel


def said_by(arguments, monkeypatch, capsys):
    """The exit code of the command, what it printed, and what it complained of."""
    monkeypatch.setattr(sys, "argv", ["listen", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def altered(path):
    path.write_text(path.read_text().replace('"page": "', '"page": "0'))


def with_markup(path):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"listener": "<img src=x onerror=alert(1)>"}))


def swapped_key(path):
    key = path.parents[1] / "run" / PANEL_FOLDER / KEY_FILE
    key.write_text(key.read_text().replace('"vmf"', '"mdn"'))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (altered, "was given on an altered page"),
        (swapped_key, "is not the key that was sealed"),
        (lambda path: path.with_name("copy.json").write_text(path.read_text()), "are both of listener L0"),
        (lambda path: path.write_text(path.read_text() + " " * 10_000_000), "has over 1 MB"),
        (with_markup, "listener has to be a code"),
    ],
)
def test_bad_answers_are_one_sentence_and_exit_code_2_and_change_nothing(
    spoil, sentence, tmp_path, monkeypatch, capsys
):
    run, trials = run_with_panel(tmp_path)
    first, *_ = panel_answers(run, trials, [prefers(0.8)] * 8)
    before = (run / "evidence.json").read_bytes()
    spoil(first)
    files = sorted(first.parent.glob("*.json"))
    code, printed, complaint = said_by(["collect", run, *files], monkeypatch, capsys)
    assert code == 2 and printed == "" and sentence in complaint
    assert complaint.startswith("error: ") and len(complaint.splitlines()) == 1
    assert (run / "evidence.json").read_bytes() == before and not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["make", "RUN", "--pairs", "1"], "--pairs is 1; it must be at least 2"),
        (["make", "RUN", "--listeners", "0"], "--listeners is 0; it must be at least 2"),
        (["make", "RUN"], "has a listening test already; --again replaces it"),
        (["make", "RUN", "--again"], "does not exist"),
        (["play", "RUN"], "has no exhibit"),
        (["collect", "nowhere", "answers.json"], "evidence.json"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    run, _ = run_with_panel(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = [str(run) if word == "RUN" else word for word in arguments]
    code, printed, complaint = said_by(words, monkeypatch, capsys)
    assert code == 2 and printed == "" and sentence in complaint
    assert complaint.startswith("error: ") and len(complaint.splitlines()) == 1


def test_answers_that_are_good_change_the_verdict_and_say_so(tmp_path, monkeypatch, capsys):
    run, trials = run_with_panel(tmp_path)
    files = panel_answers(run, trials, [prefers(0.0)] * 8 + [prefers(0.0, careful=False)])
    code, printed, complaint = said_by(["collect", run, *files], monkeypatch, capsys)
    assert code == 0 and printed.startswith("NO-GO: ")
    assert complaint.startswith("left out: L8 preferred a random walk") and len(complaint.splitlines()) == 1
    assert json.loads((run / "verdict.json").read_text())["verdict"] == "NO-GO"
