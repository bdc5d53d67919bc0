"""What is declared is what is used, and a bare clone can set itself up."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import ray

ROOT = Path(__file__).parents[1]
PACKAGES = {"orchestrator", "search_spaces", "trainables"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"[a-z0-9-]+==[A-Za-z0-9.]+")


# Where a distribution and its module differ by more than a dash.
MODULES = {
    "faiss-cpu": "faiss",
    "grpcio": "grpc",
    "opentelemetry-exporter-prometheus": "opentelemetry.exporter.prometheus",
    "opentelemetry-proto": "opentelemetry.proto",
}
RAY = Path(ray.__file__).parent
# What Ray's dashboard needs; in ray[default] it would come with a newer aiohttp than moshi admits.
DASHBOARD = {
    "aiohttp-cors",
    "grpcio",
    "opencensus",
    "opentelemetry-exporter-prometheus",
    "opentelemetry-proto",
    "prometheus-client",
}


def name_of(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_-]+", requirement).group()


def module_of(requirement: str) -> str:
    name = name_of(requirement)
    return MODULES.get(name, name).replace("-", "_")


def imported(packages: set[str]) -> Iterator[tuple[str, Path]]:
    """Every package from elsewhere that the code imports, with the file that does."""
    for file in (file for package in packages for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names | PACKAGES:
                    yield top, file


def test_the_declared_dependencies_are_the_imported_ones() -> None:
    used = {name for name, _ in imported(PACKAGES)}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["world"], *extras["games"], *extras["listening"]]
    assert used == {module_of(line) for line in wanted if name_of(line) not in DASHBOARD}


def test_rays_dashboard_has_what_it_imports() -> None:
    """Ray starts it without a word of what is missing only to fail when somebody asks it."""
    tree = ast.parse((RAY / "dashboard" / "optional_deps.py").read_text())
    asked = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    asked |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    for name in asked:
        import_module(name)
    declared = {module_of(line) for line in PROJECT["dependencies"] if name_of(line) in DASHBOARD}
    brought = {"aiohttp", "pydantic", "opentelemetry"}  # by ray[tune], moshi, and the exporter
    assert {name for name in asked if name.split(".")[0] not in brought} | {
        name for name in asked if name.startswith("opentelemetry.")
    } == declared


def test_each_dependency_names_a_file_that_needs_it() -> None:
    declared = (ROOT / "pyproject.toml").read_text().split("[tool.")[0]
    lines = re.findall(r'^  "([^"]+)",\s+# (\S+)', declared, re.MULTILINE)
    assert len(lines) == len(PROJECT["dependencies"]) + sum(
        map(len, PROJECT["optional-dependencies"].values())
    )
    users = set(imported(PACKAGES))
    for requirement, place in lines[: len(PROJECT["dependencies"])]:
        if name_of(requirement) in DASHBOARD:
            module = re.escape(module_of(requirement))
            text = (RAY.parent / place.rstrip(":")).read_text()
            assert re.search(rf"^\s*(import|from) {module}\b", text, re.MULTILINE), f"{place}: {requirement}"
            continue
        files = {file for name, file in users if name == module_of(requirement)}
        named = ROOT / place.rstrip(":,;")
        assert any(file.is_relative_to(named) for file in files), f"{named} does not import {requirement}"


def test_every_version_is_exact_and_every_dependency_has_one() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(PINNED.fullmatch(line) for line in lines)
    pinned = {line.split("==")[0] for line in lines}
    wanted = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    assert {name_of(requirement) for requirement in wanted} <= pinned


def test_without_python_3_11_make_says_so_in_a_sentence(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "--no-print-directory", "demo", "PYTHON=/nowhere/python3.11"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Python 3.11 was not found: install it, or")
    assert not (tmp_path / ".venv").exists()


def test_continuous_integration_runs_what_the_readme_names() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and "make test" in script.read_text()
    assert "make demo" in (ROOT / "README.md").read_text() and "make test" in (ROOT / "README.md").read_text()
