"""Arrows between the packages run one way; the contracts that say so are in pyproject.toml."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search_spaces", "trainables")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {
    container: [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]
    for contract in CONTRACTS
    if contract["type"] == "layers"
    for container in contract.get("containers", [""])  # under no name, of the packages themselves
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # Started here rather than imported: the linter reads the packages of its own working directory.
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    wide = {**os.environ, "COLUMNS": "300"}  # a name on one line
    return subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True)


def test_contracts_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


TOP, ROOMS, TRAINABLES, LATENTS, PREDICTOR, MATHEMATICS, TRAINED, MLFLOW = (c["name"] for c in CONTRACTS[:8])
# What is refused, and by which contracts.
STRAYS = {
    "trainables/up.py": ("import orchestrator.records.evidence", {TOP, TRAINABLES}),
    "trainables/across.py": ("import search_spaces.study", {TOP, TRAINABLES}),
    "trainables/scheduled.py": ("import ray", {TRAINED, TRAINABLES}),
    "trainables/late.py": ("def search() -> None:\n    import optuna", {TRAINED, TRAINABLES}),
    "search_spaces/across.py": ("import trainables.errors", {TOP}),
    "search_spaces/up.py": ("import orchestrator.records.evidence", {TOP}),
    "orchestrator/second.py": ("import mlflow", {MLFLOW, ROOMS}),
    "orchestrator/statistics/third.py": ("from mlflow import MlflowClient", {MLFLOW, MATHEMATICS}),
    "orchestrator/runtime/up.py": ("import orchestrator.planning.plan", {ROOMS}),
    "orchestrator/records/across.py": ("import orchestrator.statistics.power", {ROOMS}),
    "trainables/distributions/up.py": ("import trainables.predictor.scores", {TRAINABLES}),
    "trainables/latents/loose.py": ("", {LATENTS}),
    "trainables/latents/storage/up.py": (
        "def late() -> None:\n    import trainables.latents.derived",
        {LATENTS},
    ),
    "trainables/predictor/heads/up.py": ("import trainables.predictor.training.train", {PREDICTOR}),
}


def complaints(report: str) -> dict[str, str]:
    """What the linter says under each broken contract, by its name."""
    _, *parts = re.split(r"^(.+)\n-+\n", report.split("Broken contracts\n", 1)[1], flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture(scope="module")
def strayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with all stray files in it."""
    folder = tmp_path_factory.mktemp("strayed")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, (line, _) in STRAYS.items():
        (folder / file).write_text(line + "\n")
    return folder


def module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_stray_file_is_refused_by_its_contracts(strayed: Path) -> None:
    result = lint(strayed)
    assert result.returncode == 1
    said = complaints(result.stdout)
    assert set(said) == {contract["name"] for contract in CONTRACTS}
    for file, (_, contracts) in STRAYS.items():
        stray = re.compile(rf"^- +{re.escape(module_name(file))}( -> |$)", re.M)
        assert {name for name, text in said.items() if stray.search(text)} == contracts, file


def imported(file: Path, modules: Set[str]) -> Iterator[str]:
    """Modules of ours that a file imports: at its top, in a function, or for its types alone."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by a relative name"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else node.module for name in names if node.module in modules)


def arrows(root: Path) -> dict[str, set[str]]:
    """What each module imports of ours, read from the files."""
    files = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    modules = {module_name(file.relative_to(root).as_posix()): file for file in files}
    return {module: set(imported(file, modules.keys())) for module, file in modules.items()}


def wrong_arrows(graph: dict[str, set[str]], container: str) -> set[str]:
    """Modules of a container that import another room on their own floor or above, or lie on no floor."""
    depth = container.count(".") + 1 if container else 0
    floor = {name: number for number, layer in enumerate(LAYERS[container]) for name in layer}

    def room(module: str) -> str | None:
        inside = module.startswith(f"{container}." if container else "")
        return module.split(".")[depth] if inside else None

    return {
        module
        for module, others in graph.items()
        if (here := room(module))
        for there in {here, *map(room, others)} - {None}
        if here not in floor or there not in floor or (there != here and floor[here] >= floor[there])
    }


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    found = arrows(ROOT)
    assert len(found) > 200 and sum(map(len, found.values())) > 800
    return found


def test_no_file_imports_itself_in_a_circle(graph: dict[str, set[str]]) -> None:
    TopologicalSorter(graph).prepare()
    a, b = next((a, b) for a, others in graph.items() for b in others)
    with pytest.raises(CycleError):
        TopologicalSorter({**graph, b: {*graph[b], a}}).prepare()


@pytest.mark.parametrize("container", LAYERS, ids=lambda name: name or "packages")
def test_no_arrow_runs_up_or_across(graph: dict[str, set[str]], strayed: Path, container: str) -> None:
    """What import-linter holds, asked of the files without it."""
    assert wrong_arrows(graph, container) == set()
    (name,) = (c["name"] for c in CONTRACTS if container in c.get("containers", [""]) and "layers" in c)
    expected = {module_name(file) for file, (_, contracts) in STRAYS.items() if name in contracts}
    assert expected and wrong_arrows(arrows(strayed), container) == expected


def test_few_files_lie_loose_in_the_orchestrator() -> None:
    assert 0 < len(list((ROOT / "orchestrator").glob("*.py"))) <= 10


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import search_spaces as s; [s.load(name) for name in s.names()]",
            {"torch", "numpy", "ray", "trainables"},
        ),
        # A command that only refuses its arguments answers at once.
        ("import orchestrator.sweep", {"torch", "ray", "mlflow"}),
        ("import orchestrator.generate.__main__, orchestrator.export.__main__", {"torch", "ray", "mlflow"}),
        ("import orchestrator.__main__ as m; m.overview()", {"torch", "ray", "mlflow", "numpy", "typer"}),
        # --help starts no Ray.
        (
            "import orchestrator.__main__ as m, orchestrator.roadmap.__main__\n"
            "for name in m.COMMANDS: __import__(f'orchestrator.{name}')",
            {"ray", "mlflow"},
        ),
    ],
)
def test_an_import_loads_no_more_than_it_should(code: str, absent: set[str]) -> None:
    report = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not absent & loaded
