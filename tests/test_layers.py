"""Arrows between the packages run one way; the contracts that say so are in pyproject.toml."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search_spaces", "trainables")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # Started here rather than imported: the linter reads the packages of its own working directory.
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_contracts_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


STRAYS = {
    "trainables/up.py": "import orchestrator.records.evidence",
    "trainables/across.py": "import search_spaces.study",
    "trainables/scheduled.py": "import ray",
    "trainables/late.py": "def search() -> None:\n    import optuna",
    "search_spaces/across.py": "import trainables.errors",
    "search_spaces/up.py": "import orchestrator.records.evidence",
    "orchestrator/second.py": "import mlflow",
    "orchestrator/statistics/third.py": "from mlflow import MlflowClient",
}


def test_stray_imports_are_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, line in STRAYS.items():
        (tmp_path / file).write_text(line + "\n")
    result = lint(tmp_path)
    assert result.returncode == 1
    for file in STRAYS:
        module = file.removesuffix(".py").replace("/", ".")
        assert f"{module} -> " in result.stdout, f"{file} passed"


def test_search_spaces_need_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"search_spaces"}
    for file in sorted((ROOT / "search_spaces").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            assert {name.split(".")[0] for name in names} <= allowed, f"{file.name}: {names}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import search_spaces as s; [s.load(name) for name in s.names()]",
            {"torch", "numpy", "ray", "trainables"},
        ),
        # A command that only refuses its arguments answers at once.
        ("import orchestrator.sweep", {"torch", "ray", "mlflow"}),
    ],
)
def test_an_import_loads_no_more_than_it_should(code: str, absent: set[str]) -> None:
    report = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not absent & loaded
