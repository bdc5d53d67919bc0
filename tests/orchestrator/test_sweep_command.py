"""The command, and what it says to wrong input."""

import inspect
import sys

import pytest

from orchestrator import sweep as sweep_module
from orchestrator.judging.verdict import judge
from orchestrator.sweep import main
from orchestrator.sweep import sweep as sweep_command
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from tests.orchestrator.tiny_world import SPEAKERS, sweep, write_latents


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["vmf_vs_mnd"], "unknown study 'vmf_vs_mnd'; did you mean 'vmf_vs_mdn'?"),
        ([], "no study was named; known are "),
        (["vmf_vs_mdn", "--trials", "0"], "--trials is 0; it must be at least 1"),
        (["vmf_vs_mdn", "--replicates", "3"], "3 paired seeds can never fall below p = 0.25"),
        (["vmf_vs_mdn", "--set", "teacher_epochs=-1"], "teacher_epochs is -1; it must be at least 0"),
        (["archetypes", "--set", "widht=3"], "widht"),
        (["vmf_vs_mdn", "--price", "-1"], "--price is -1; it must be a number, at least 0"),
        (["two_stage", "--latents", "few4"], "the gate of two_stage on the roadmap is not"),
        (
            ["memory_as_basis", "--latents", "few4"],
            "the gate of memory_as_basis on the roadmap is not",
        ),
        (["vmf_vs_mdn", "--workers", "5"], "--workers is 5, and a batch of 32 windows"),
        (["vmf_vs_mdn", "--latents", "nowhere"], "latents folder nowhere does not exist"),
        (["vmf_vs_mdn", "--latents", "empty"], "empty holds no latent dataset"),
        (["vmf_vs_mdn", "--latents", "truncated"], "truncated/toy-0.parquet is truncated or damaged"),
        (["vmf_vs_mdn", "--latents", "mixed"], "latents of two representations in one folder"),
        (["vmf_vs_mdn", "--latents", "few"], "few has 2 test speakers"),
        (["vmf_vs_mdn", "--latents", "unreadable"], "no/such/weights"),
        (["vmf_vs_mdn", "--latents", "control:directionl"], "did you mean 'directional'?"),
        (["vmf_vs_mdn", "--latents", "few4", "--resume"], "--resume found no unfinished run of study"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_latents(tmp_path / "truncated")
    file = tmp_path / "truncated" / "toy-0.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    write_latents(write_latents(tmp_path / "mixed"), representation="other", seed=1)
    write_latents(tmp_path / "few", speakers={**SPEAKERS, "test": 2})
    write_latents(tmp_path / "few4")
    write_latents(tmp_path / "unreadable", codec="soundstream", weights="no/such/weights")
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("error: ") and sentence in said and len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists(), "nothing may be left behind by a sweep that never began"


def test_wrong_input_shows_no_traceback_in_a_real_shell(tmp_path):
    done = sweep("vmf_vs_mdn", "--trials", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "error: --trials is 0; it must be at least 1\n",
    )


@pytest.mark.slow
def test_a_dry_run_shows_the_plan_and_trains_nothing(tmp_path_factory, tmp_path, monkeypatch, capsys):
    latents = write_latents(tmp_path_factory.mktemp("latents"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(
        sys, "argv", ["sweep", "vmf_vs_mdn", "--dry-run", "--trials", "10", "--latents", str(latents)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().out
    assert max(map(len, printed.replace(str(latents), "").splitlines())) <= 80
    said = " ".join(printed.split())
    assert ended.value.code == 0
    assert "10 configurations per arm in 5 packs of up to 2 lanes, 5 at random" in said
    assert said.count("each of 4 structures is tried") == 2
    assert "test: 4 speakers, 8 utterances, 320 frames" in said
    assert list(tmp_path.iterdir()) == []


def test_the_list_names_every_study(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sweep", "--list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "vmf_vs_mdn" in capsys.readouterr().out


def test_the_command_line_stays_as_small_as_it_is():
    assert list(inspect.signature(sweep_command).parameters) == [
        "study",
        "latents",
        "trials",
        "replicates",
        "effort",
        "settings",
        "workers",
        "address",
        "out",
        "seed",
        "resume",
        "dry_run",
        "smoke",
        "force",
        "ablation",
        "diagnosis",
        "price",
        "list_studies",
    ]


def test_a_sweep_is_handed_the_design_that_was_checked_before_it_started(tmp_path, monkeypatch):
    from orchestrator.lifecycle import sweep as lifecycle

    write_latents(tmp_path / "latents")
    monkeypatch.chdir(tmp_path)
    worked_out, handed = [], []
    design_of = sweep_module.design_of
    monkeypatch.setattr(
        sweep_module, "design_of", lambda *of: worked_out.append(design_of(*of)) or worked_out[0]
    )
    judgement = judge(STUDY, evidence())
    monkeypatch.setattr(lifecycle, "run_sweep", lambda order, _: handed.append(order.design) or judgement)
    monkeypatch.setattr(sys, "argv", ["sweep", "vmf_vs_mdn", "--smoke", "--latents", "latents"])
    with pytest.raises(SystemExit):
        main()
    assert len(worked_out) == 1 and handed[0] is worked_out[0]
