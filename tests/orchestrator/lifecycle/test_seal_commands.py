"""The commands that read a sealed run: they find every change, name it, and lose nothing."""

import json
import sys

import pytest

from orchestrator import report, seal
from orchestrator.lifecycle import rejudge
from orchestrator.records.seal import SEAL_FILE, seal_hash, write_seal
from tests.orchestrator.sealed_run import write_sealed_run
from tests.orchestrator.synthetic_evidence import STUDY, evidence


@pytest.fixture
def run(tmp_path):
    """A run that was sealed and judged, made of synthetic evidence."""
    folder, record = tmp_path / "runs" / "vmf_vs_mdn-20260101-000000", evidence()
    write_sealed_run(folder, STUDY, record)
    return folder


def call(monkeypatch, capsys, command, *arguments):
    """Exit code, and what was said."""
    monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    said = capsys.readouterr()
    return ended.value.code, said.out + said.err


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_nothing_changed_is_the_same_verdict_again(run, monkeypatch, capsys):
    assert call(monkeypatch, capsys, report, run)[1].startswith("GO: ")
    assert {"report.html", "report.md", "verdict.json"} <= {path.name for path in run.iterdir()}
    code, said = call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run)
    assert code == 0 and "nothing has changed since" in said


def test_an_edited_seal_is_inadmissible_and_the_edit_is_named(run, monkeypatch, capsys):
    edit(run / SEAL_FILE, '"success": 0.6', '"success": 0.5')
    said = call(monkeypatch, capsys, report, run)[1]
    assert said.startswith("INADMISSIBLE") and "success was 0.6 when sealed and is 0.5 now" in said
    code, said = call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run)
    assert code == 3 and "does not have the hash" in said


def test_an_edit_with_its_hash_rewritten_is_found_by_the_journal(run, monkeypatch, capsys):
    told = json.loads((run / SEAL_FILE).read_text())
    del told["hash"]
    told["seeds"][0] = 99
    write_seal(run, told)
    assert call(monkeypatch, capsys, report, run)[1].startswith("INADMISSIBLE")
    code, said = call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run)
    assert code == 3 and "seeds" in said


def test_a_seal_that_is_gone_is_put_back_from_the_journal(run, monkeypatch, capsys):
    before = (run / SEAL_FILE).read_text()
    (run / SEAL_FILE).unlink()
    assert call(monkeypatch, capsys, report, run)[1].startswith("GO: ")
    assert (run / SEAL_FILE).read_text() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"hash": "' + "d" * 64, '"hash": "' + "e" * 64, "Data: hash was"),
        ('"seed": 0,', '"seed": 77,', "Seeds was"),
        ('"components": 4', '"components": 8', "components was 4 when sealed and is 8 now"),
    ],
)
def test_a_record_that_is_not_what_was_sealed_is_inadmissible(run, old, new, said, monkeypatch, capsys):
    edit(run / "evidence.json", old, new)
    told = call(monkeypatch, capsys, report, run)[1]
    assert told.startswith("INADMISSIBLE") and said in told


def test_other_code_than_was_sealed_is_inadmissible(run, monkeypatch, capsys):
    monkeypatch.setattr(rejudge, "judge_version", lambda: "other")
    assert "Code_of_judge was" in call(monkeypatch, capsys, report, run)[1]


@pytest.mark.parametrize("text", ["null", "3", "[]", '{"arms": []}', "torn{", '{"study": "vmf_vs_mdn"}'])
def test_a_record_that_cannot_be_read_is_one_sentence(run, text, monkeypatch, capsys):
    (run / "evidence.json").write_text(text)
    code, said = call(monkeypatch, capsys, report, run)
    assert code == 2 and said.startswith("error: ") and len(said.splitlines()) == 1


def test_a_sealed_plan_can_be_shared_and_compared_with(run, tmp_path, monkeypatch, capsys):
    shared = tmp_path / "shared.json"
    code, _ = call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run, "--export", shared)
    assert code == 0 and shared.read_text() == (run / SEAL_FILE).read_text()
    assert call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run, "--against", shared)[0] == 0
    told = json.loads(shared.read_text())
    told["code"] = "other"
    del told["hash"]
    shared.write_text(json.dumps({"hash": seal_hash(told), **told}))
    code, said = call(monkeypatch, capsys, seal, "vmf_vs_mdn", "--run", run, "--against", shared)
    assert code == 3 and 'shared plan: code was "other"' in said


def test_a_sealed_plan_is_exported_as_a_prml_manifest_too(run, tmp_path, monkeypatch, capsys):
    shared = tmp_path / "plan.json"
    words = ("vmf_vs_mdn", "--run", run, "--export", shared, "--producer", "example.org")
    code, said = call(monkeypatch, capsys, seal, *words)
    manifest = (tmp_path / "plan.prml.yaml").read_text()
    digest = (tmp_path / "plan.prml.sha256").read_text().strip()
    assert code == 0 and f"sha256 {digest}" in said and "producer:\n  id: example.org\n" in manifest
    assert f"  seal: {json.loads(shared.read_text())['hash']}\n" in manifest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vmf_vs_mnd"], "did you mean 'vmf_vs_mdn'"),
        (["vmf_vs_mdn", "--export", "x.json", "--out", "empty"], "--export needs a sealed plan"),
        (["vmf_vs_mdn", "--against", "nowhere.json"], "is not a sealed plan"),
        (["heads", "--against", "shared.json"], "seals the study 'vmf_vs_mdn', not 'heads'"),
        (["vmf_vs_mdn", "--run", "run", "--export", "nodir/x.json"], "--export cannot write"),
        (["vmf_vs_mdn", "--run", "run", "--export", "shared.json"], "--export would overwrite"),
    ],
)
def test_wrong_input_is_one_sentence(run, arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared.json").write_text((run / SEAL_FILE).read_text())
    (tmp_path / "run").symlink_to(run)
    code, told = call(monkeypatch, capsys, seal, *arguments)
    assert code == 2 and said in told.splitlines()[-1]
    assert "Traceback" not in told
