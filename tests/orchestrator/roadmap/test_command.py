"""The command: its plan, and what it says to wrong input."""

import re
import sys

import pytest

import search_spaces
from orchestrator.roadmap.__main__ import main
from tests.orchestrator.roadmap.recorded_verdicts import STUDIES
from tests.orchestrator.tiny_world import write_latents


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
    monkeypatch.setattr("orchestrator.planning.costs.estimate", lambda *_: _Costs())
    monkeypatch.setenv("COLUMNS", "80")
    assert command(monkeypatch, "--plan", "--latents", "toy") == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    said = re.sub(r"\s+", " ", printed)
    assert all(f" {study} " in said for study in STUDIES)
    studies = [search_spaces.load(name) for name in STUDIES]
    heard = {study.name for study in studies if study.primary.needs_decoder}
    able = [study for study in studies if not study.missing and study.name not in heard]
    assert said.count("expected: 8 to 31 min") == len(able)
    unheard = [study for study in studies if not study.missing and study.name in heard]
    assert said.count("waits for latents that can be decoded to audio, unlike toy") == len(unheard) == 2
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
