"""Every command has `--json`: one object on standard output that fits its schema in docs/json."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.__main__ import COMMANDS
from orchestrator.judging.verdict import judge
from orchestrator.runtime.answers import Ended, answer_schema, schema_of
from orchestrator.runtime.cli import guarded
from orchestrator.runtime.exit_codes import ExitCode
from search_spaces.study import Study
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from tests.test_docs import command_function
from trainables.errors import InputError

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "json"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of every command, by the name of its file."""
    found = {}
    for name in COMMANDS:
        module, function = command_function(name)
        for word, command in getattr(module, "SUBCOMMANDS", {"": function}).items():
            found["-".join(filter(None, (name, word)))] = answer_schema(f"{name} {word}".strip(), command)
    return found


def written(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def ran(monkeypatch, capsys, name: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the object on standard output, which is all of it, and standard error."""
    module, _ = command_function(name)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments), "--json"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert printed.out.count("\n") == 1 and answer["exit_code"] == ended.value.code
    jsonschema.validate(answer, schemas()["-".join([name, *arguments[:1]]) if name == "listen" else name])
    return ended.value.code, answer, printed.err


def test_the_schemas_in_the_docs_are_those_of_the_code():
    expected = {f"{name}.schema.json": written(schema) for name, schema in schemas().items()}
    assert {path.name: path.read_text() for path in SCHEMAS.iterdir()} == expected, (
        "write them anew with `python -m tests.orchestrator.test_json_answers`"
    )
    for schema in schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_studies_and_seals_are_answered(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, answer, said = ran(monkeypatch, capsys, "sweep", "--list")
    assert code == 0 and "vmf_vs_mdn" in {study["name"] for study in answer["result"]["studies"]}
    assert "vmf_vs_mdn" in said  # what it prints without --json
    code, answer, _ = ran(monkeypatch, capsys, "seal", "vmf_vs_mdn")
    assert code == 0 and answer["result"]["hash"] is None
    assert answer["result"]["plan"]["study"]["name"] == "vmf_vs_mdn"


def test_wrong_input_is_an_answer_too(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, answer, said = ran(monkeypatch, capsys, "sweep", "vmf_vs_mnd")
    assert code == 2 and answer["result"] is None and said == f"error: {answer['error']}\n"
    code, answer, _ = ran(monkeypatch, capsys, "listen", "play", "nowhere")
    assert code == 2 and "nowhere" in answer["error"]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_verdict_is_answered_and_an_inadmissible_one_ends_with_3(sealed, monkeypatch, capsys, tmp_path):
    record = evidence(speakers=4)
    record.seal = record.seal if sealed else {}
    record.write(tmp_path / "evidence.json")
    code, answer, said = ran(monkeypatch, capsys, "report", tmp_path)
    verdict = judge(STUDY, record)
    assert answer["result"]["verdict"] == verdict.verdict == ("GO" if sealed else "INADMISSIBLE")
    assert code == (0 if sealed else 3) and verdict.reason in said
    primary = answer["result"]["criteria"][0]["estimate"]
    assert primary == {k: v for k, v in verdict.criteria[0].estimate.to_json().items() if k in primary}
    assert Path(answer["result"]["report"]).is_file()


@pytest.mark.parametrize(
    ("ends", "code", "error"),
    [
        (InputError("--x is 1; it must be 2"), 2, "--x is 1; it must be 2"),
        (KeyboardInterrupt(), 4, "interrupted; go on"),
        (Ended(ExitCode.INADMISSIBLE, {"verdict": "INADMISSIBLE"}), 3, None),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ],
)
def test_however_a_command_ends_there_is_one_object(ends, code, error, capsys):
    def fails() -> None:
        print("progress")
        raise ends

    with pytest.raises((ZeroDivisionError,) if code == 1 else (Exception,)):
        guarded(fails, "go on", "it")(json_answer=True)
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (answer["command"], answer["exit_code"], answer["error"]) == ("it", code, error)
    assert printed.err.startswith("progress\n")


def test_without_json_nothing_of_it_is_seen(capsys):
    def command() -> dict[str, str]:
        print("as ever")
        return {"verdict": "GO"}

    guarded(command, "", "it")()
    assert capsys.readouterr().out == "as ever\n"


@pytest.mark.slow
def test_in_a_real_shell_standard_output_is_one_object_also_for_an_unknown_option(tmp_path):
    line = [sys.executable, "-m", "orchestrator.sweep", "--list", "--json"]
    done = subprocess.run(line, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["command"] == "sweep"
    done = subprocess.run(
        [*line, "--latnets"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 2 and json.loads(done.stdout)["exit_code"] == 2
    assert "--latnets" in json.loads(done.stdout)["error"]


def test_a_type_without_a_schema_is_refused():
    assert schema_of(list[dict[str, float | None]])["items"]["additionalProperties"]["anyOf"][0] == {
        "type": "number"
    }
    with pytest.raises(TypeError, match="has no JSON schema"):
        schema_of(Study)


if __name__ == "__main__":
    importlib.import_module("shutil").rmtree(SCHEMAS, ignore_errors=True)
    SCHEMAS.mkdir(parents=True)
    for file_name, content in schemas().items():
        (SCHEMAS / f"{file_name}.schema.json").write_text(written(content))
