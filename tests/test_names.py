"""One name has one meaning: no public name is defined in two modules of the three packages."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search_spaces", "trainables")
# Names that every module of a kind has: studies, trainables, and commands with the example of their help.
OF_A_KIND = {"STUDY", "TRAINABLE", "EXAMPLE", "main"}


def public_names(tree: ast.Module) -> set[str]:
    """Top-level functions, classes and assigned names without an underscore in front."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def defined_twice(sources: dict[str, str]) -> dict[str, list[str]]:
    """Names that several modules define, with the modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, source in sources.items():
        for name in public_names(ast.parse(source)) - OF_A_KIND:
            places[name].append(module)
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def test_a_name_has_one_meaning() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert len(files) > 200
    assert defined_twice({str(file.relative_to(ROOT)): file.read_text() for file in files}) == {}


def test_a_second_meaning_is_found() -> None:
    sources = {"a": "class Pack: ...\n_x = 1", "b": "Pack = int\n_x = 2", "c": "def other(): ..."}
    assert defined_twice(sources) == {"Pack": ["a", "b"]}
