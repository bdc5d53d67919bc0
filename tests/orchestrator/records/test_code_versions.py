"""Versions follow what decides numbers, and nothing else: asked of copies of the code, each with one edit."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.records.code_versions import (
    DIAGNOSES,
    EXEMPT,
    JUDGES,
    code_version,
    diagnosis_version,
    full_version,
    import_closure,
    judge_version,
    modules_in,
    training_roots,
    version_of,
)

ROOT = Path(__file__).parents[3]
MODULES = modules_in(ROOT)
TRAINING, JUDGING = "trainables/predictor/training/pack_run.py", "orchestrator/judging/verdict.py"


@pytest.fixture
def copy(tmp_path):
    for package in ("orchestrator", "search_spaces", "trainables"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def versions(folder):
    """Of what trains, and of what judges."""
    modules = modules_in(folder)
    return version_of(training_roots(), modules), version_of(JUDGES, modules)


def changed(before, after):
    return tuple(a != b for a, b in zip(before, after, strict=True))


def with_a_comment(text):
    return text.replace("import annotations\n", "import annotations  # a comment\n", 1)


def with_blank_lines(text):
    return text.replace("import annotations\n", "import annotations\n\n\n\n", 1)


def with_other_docstrings(text):
    reworded = text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docstring = ast.get_source_segment(text, node.body[0])
            reworded = reworded.replace(docstring, '"""Other words."""')
    return reworded


def with_an_import_for_types(text):
    assert text.count("\nif TYPE_CHECKING:\n") == 1
    return text.replace("if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    import orchestrator.report\n")


def with_another_number(text):
    """7 more in place of the first number; a program that has none gets a line with one."""
    numbers = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and type(n.value) is int]
    if not numbers:
        return f"{text}\nA_NUMBER = 7\n"
    first = min(numbers, key=lambda n: (n.lineno, n.col_offset))
    lines = text.encode().splitlines(keepends=True)
    line = lines[first.lineno - 1]
    number = str(first.value + 7).encode()
    lines[first.lineno - 1] = line[: first.col_offset] + number + line[first.end_col_offset :]
    return b"".join(lines).decode()


def edit(path, how):
    text = path.read_text()
    assert how(text) != text
    path.write_text(how(text))


@pytest.mark.parametrize("file", [TRAINING, JUDGING])
@pytest.mark.parametrize("how", [with_a_comment, with_blank_lines, with_other_docstrings])
def test_words_and_layout_change_no_version(copy, file, how):
    before = versions(copy)
    edit(copy / file, how)
    assert changed(before, versions(copy)) == (False, False)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (TRAINING, (True, False)),
        ("trainables/predictor/model/losses.py", (True, False)),
        ("trainables/predictor/lanes/optimiser.py", (True, False)),
        # imported inside a function, or by a table of heads
        ("trainables/predictor/heads/flow_matching.py", (True, True)),
        # what replicates are heard with
        ("trainables/predictor/model/backbones.py", (True, True)),
        (JUDGING, (False, True)),
        ("orchestrator/judging/failure_modes.py", (False, True)),
        # between recorded lanes and a verdict
        ("orchestrator/records/seal.py", (False, True)),
        ("orchestrator/records/arm_evidence.py", (False, True)),
        ("orchestrator/records/ablation_evidence.py", (False, True)),
        ("orchestrator/inspection/reference_rules.py", (False, True)),
        # imported by a name that is looked up: what decodes continuations
        ("trainables/latents/codecs/logmel.py", (False, True)),
        ("orchestrator/runtime/atomic_files.py", (False, False)),
        ("orchestrator/runtime/durations.py", (False, False)),
        ("orchestrator/reporting/figures.py", (False, False)),
        ("orchestrator/execution/search.py", (False, False)),
    ],
)
def test_a_number_changes_the_versions_of_what_it_decides(copy, file, expected):
    before = versions(copy)
    edit(copy / file, with_another_number)
    assert changed(before, versions(copy)) == expected


@pytest.mark.parametrize(
    "file", ["trainables/predictor/heads/__init__.py", "orchestrator/datasets/ray_latents.py"]
)
def test_what_is_imported_for_type_checking_alone_does_not_count(copy, file):
    before = versions(copy)
    edit(copy / file, with_an_import_for_types)
    assert changed(before, versions(copy)) == (False, False)


def test_a_module_imported_inside_a_function_counts(copy):
    before = versions(copy)
    late = "\n\ndef late():\n    import trainables.latents.worlds.lorenz\n"
    edit(copy / TRAINING, lambda text: text + late)
    with_it = versions(copy)
    edit(copy / "trainables/latents/worlds/lorenz.py", with_another_number)
    assert changed(before, with_it) == changed(with_it, versions(copy)) == (True, False)


# What the verdict imports and its version leaves out, each with the reason.
NOT_JUDGING = {
    "orchestrator.runtime": "holds no code",
    "orchestrator.runtime.atomic_files": "writes evidence and seal, and changes nothing of them",
    "orchestrator.runtime.disk_space": "says that a disk is full",
    "orchestrator.runtime.hashing": "joins the hashes of datasets; another joint hash breaks the seal",
}


def test_all_that_the_verdict_imports_is_hashed_or_named_with_a_reason():
    hashed = import_closure(JUDGES, MODULES)
    assert loaded_by("orchestrator.judging.verdict") - hashed == set(NOT_JUDGING)
    assert import_closure(["orchestrator.judging.verdict"], MODULES, exempt=()) - hashed == set(NOT_JUDGING)


@pytest.mark.slow
@pytest.mark.parametrize("roots", [training_roots(), JUDGES, DIAGNOSES])
def test_a_closure_misses_nothing_that_python_loads(roots):
    closure = import_closure(roots, MODULES, exempt=())
    assert len(closure) > 50
    assert loaded_by(*(root for root in roots if not root.endswith(".*"))) <= closure


def loaded_by(*modules):
    """Our modules that a new process has loaded once it has imported some of them."""
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1])) & set(MODULES)


def test_the_code_of_one_trainable_is_not_that_of_another(copy):
    before = version_of(training_roots("predictor"), modules_in(copy))
    other = copy / "trainables/declared/other.py"
    other.write_text("NUMBER = 1")
    one = version_of(training_roots("other"), modules_in(copy))
    edit(other, with_another_number)
    assert version_of(training_roots("other"), modules_in(copy)) != one
    assert version_of(training_roots("predictor"), modules_in(copy)) == before


def test_what_is_exempt_is_there_and_needed():
    everywhere = import_closure([*training_roots(), *JUDGES, *DIAGNOSES], MODULES, exempt=())
    assert set(EXEMPT) <= everywhere and all(EXEMPT.values())


def test_a_root_that_is_no_module_is_an_error():
    with pytest.raises(KeyError, match="orchestrator.nowhere"):
        import_closure(["orchestrator.nowhere"], MODULES)


def test_the_versions_of_this_code_are_stable_and_of_different_things():
    each = [code_version(), judge_version(), diagnosis_version(), full_version()]
    again = [f.__wrapped__() for f in (code_version, judge_version, diagnosis_version, full_version)]
    assert each == again and len(set(each)) == 4 and {len(v) for v in each} == {24}
