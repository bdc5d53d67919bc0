"""A study in a user's file: found, refused in a sentence, sealed with its bytes, never run from a copy."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import search_spaces
from orchestrator import report, seal, sweep
from orchestrator.judging.verdict import Verdict
from orchestrator.lifecycle.rejudge import judged
from orchestrator.planning.plan import make_plan
from orchestrator.planning.sound_settings import require_sound_settings
from orchestrator.records.code_versions import code_version
from orchestrator.records.seal import study_changes
from orchestrator.records.study_code import code_of_lane, code_of_study
from orchestrator.records.study_file import STUDY_COPY, keep_copy, load_study, require_copy
from search_spaces.study import declared
from tests.orchestrator.sealed_run import write_sealed_run
from tests.orchestrator.synthetic_evidence import evidence
from tests.orchestrator.tiny_world import write_latents
from tests.own_files import begin, user_folder, write
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.own_parts.registry import named_parts
from trainables.own_parts.source import source_hash

MINE = """from dataclasses import replace
import search_spaces
STUDY = replace(search_spaces.load("vmf_vs_mdn"), name="mine")
"""


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        begin(here, study="my_question", head="laplace_head")
        text = (here / "my_question.py").read_text()
        write(here, my_question=text.replace('"head": "vmf"', '"head": "laplace_head:LaplaceHead"'))
        yield here


def call(monkeypatch, capsys, command, *arguments):
    """Exit code, and what was said."""
    monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    said = capsys.readouterr()
    return ended.value.code, said.out + said.err


def test_a_file_is_a_study_with_its_bytes_in_what_is_sealed(folder):
    study = load_study("my_question.py")
    assert (study.name, len(study.file_hash)) == ("my_question", 64)
    assert named_parts() == ["laplace_head:LaplaceHead"]
    assert declared(study)["file"] == study.file_hash
    assert "file" not in declared(search_spaces.load("vmf_vs_mdn"))
    with (folder / "my_question.py").open("a") as file:
        file.write("# a remark\n")
    (change,) = study_changes({"study": declared(study)}, load_study("my_question.py"))
    assert change.startswith("file was ")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("STUDY = Study(", "STUDY = Study((", r"question\.py, line \d+: SyntaxError: "),
        (
            "PARTS = ()",
            "import nowhere_at_all",
            r"question\.py, line 18: ModuleNotFoundError: ",
        ),
        ("STUDY = Study(", "QUESTION = Study(", r"question\.py, line 1: there is no STUDY; the file has to"),
        (
            "STUDY = Study(",
            "STUDY = dict(",
            r"question\.py, line 20: STUDY is a dict; it must be a ",
        ),
        (
            'name="my_question"',
            'name="heads"',
            r"question\.py, line 21: the study's name is 'heads'; it",
        ),
        (
            'versus="baseline"',
            'versus="nobody"',
            r"question\.py, line \d+: StudyError: .* the arm 'nobody'",
        ),
        ('"width": 48', '"widht": 48', r"question\.py, line 31: unknown setting 'widht'; known are "),
        ('"width": 48', '"width": 0', r"question\.py, line 31: width is 0; it must be at least 1"),
        ('"mean", "mode"', '"mean", "mood"', r"question\.py, line 34: feedback is 'mood'; it must be one of"),
        ('"laplace_head:', '"laplace_haed:', "head 'laplace_haed:LaplaceHead' cannot be imported: ModuleNot"),
    ],
)
def test_an_error_is_one_sentence_with_its_line(folder, old, new, sentence, monkeypatch, capsys):
    text = (folder / "my_question.py").read_text()
    assert old in text
    write(folder, my_question=text.replace(old, new))
    toy = write_latents(folder / "toy")
    code, said = call(monkeypatch, capsys, sweep, "my_question.py", "--dry-run", "--latents", toy)
    assert code == 2 and said.startswith("error: ") and len(said.splitlines()) == 1
    with pytest.raises(InputError, match=sentence):
        raise InputError(said.removeprefix("error: ").strip())
    assert not (folder / "runs").exists()


def test_it_is_listed_beside_the_others(folder, monkeypatch, capsys):
    code, said = call(monkeypatch, capsys, sweep, "my_question.py", "--list")
    assert code == 0 and {"my_question", "vmf_vs_mdn"} <= set(said.split())
    assert call(monkeypatch, capsys, sweep, "nowhere.py")[1].startswith("error: nowhere.py does not exist;")


def test_a_resumed_run_has_to_have_the_file_that_it_began_with(folder):
    study, run = folder / "my_question.py", folder / "run"
    run.mkdir()
    keep_copy(study, run)
    require_copy(study, run)
    (run / STUDY_COPY).write_text("open('ran', 'w').close()\n" + study.read_text())
    with pytest.raises(InputError, match="--resume cannot continue .* is not the study that it began with"):
        require_copy(study, run)
    assert not (folder / "ran").exists()
    (run / STUDY_COPY).unlink()
    with pytest.raises(InputError, match="--resume cannot continue"):
        require_copy(study, run)


def test_code_of_a_part_counts_for_its_lanes_alone(folder):
    study = load_study("my_question.py")
    plan = make_plan(study)
    require_sound_settings(plan, folder / "my_question.py")
    base, ours = code_of_study(study), code_version("predictor")
    own, other = LaneConfig.of({"head": "laplace_head:LaplaceHead"}), LaneConfig.of({"head": "gaussian"})
    before = code_of_lane(own, ours)
    assert code_of_lane(other, ours) == ours and before == base and before.startswith(f"{ours}-")
    with (folder / "laplace_head.py").open("a") as file:
        file.write("# a remark\n")
    source_hash.cache_clear()
    assert code_of_lane(own, ours) != before and code_of_study(study) != base
    assert code_of_study(search_spaces.load("vmf_vs_mdn")) == ours


def test_a_run_of_an_own_study_is_judged_by_the_file_that_the_user_names(folder, monkeypatch, capsys):
    write(folder, mine=MINE)
    study, run = load_study("mine.py"), folder / "runs" / "mine-20260101-000000"
    record = replace(evidence(), study="mine")
    write_sealed_run(run, study, record)
    keep_copy(folder / "mine.py", run)
    code, said = call(monkeypatch, capsys, report, run)
    assert code == 2 and "'mine' is no study of this project; give --study PATH" in said
    assert call(monkeypatch, capsys, report, run, "--study", "my_question.py")[0] == 2
    assert judged(run, Path("mine.py")).judgement.verdict is Verdict.GO
    assert call(monkeypatch, capsys, seal, "mine.py")[1].endswith("nothing has changed since\n")
    write(folder, mine=MINE + "# a remark\n")
    judgement = judged(run, Path("mine.py")).judgement
    assert judgement.verdict is Verdict.INADMISSIBLE and "ile was" in judgement.reason
    code, said = call(monkeypatch, capsys, seal, "mine.py")
    assert code == 3 and "CHANGED study: file was" in said
