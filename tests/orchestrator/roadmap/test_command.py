"""The command: its plan, its pages, and what it says to wrong input."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import search_spaces
from orchestrator.roadmap.__main__ import main
from orchestrator.roadmap.logbook import ENDED, Logbook
from search_spaces.roadmap import INADMISSIBLE
from tests.orchestrator.roadmap.recorded import STUDIES
from tests.orchestrator.test_sweep import write_latents


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
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
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
