"""Versions of the code that trains, diagnoses and judges: hashes of what decides numbers.

A version follows from the syntax trees of a module and of all our modules that it imports, directly or not.
Comments, docstrings and layout are not in a syntax tree, so that rewording one costs nobody a night of
training; nor is what is imported for type checking alone.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import orchestrator

_PACKAGES = ("orchestrator", "search_spaces", "trainables")
TRAINS = ("orchestrator.execution.ray_train", "orchestrator.execution.ray_tune")
DIAGNOSES = ("orchestrator.inspection.diagnosis",)
JUDGES = (
    "orchestrator.inspection.listening",
    "orchestrator.judging.verdict",
    "orchestrator.records.evidence",
)
# What is imported there and decides no number: where Ray runs, how files are written, what a terminal shows.
# Codecs are looked up by name; a lane reads what they have written, whose hash is a part of its key.
EXEMPT = ("orchestrator.runtime", "orchestrator.execution.progress")


@cache
def code_version() -> str:
    """Hash (24 hex digits) of all code that a lane's numbers come from, uncommitted edits included."""
    return _hashed(import_closure(TRAINS), version("torch"))


@cache
def judge_version() -> str:
    """Hash (24 hex digits) of the code that turns lanes into a verdict."""
    return _hashed(import_closure(JUDGES), version("scipy"))


@cache
def diagnosis_version() -> str:
    """Hash (24 hex digits) of the code that a diagnosis comes from."""
    return _hashed(import_closure(DIAGNOSES), version("torch"), version("scipy"))


@cache
def full_version() -> str:
    """Hash (24 hex digits) of all code of this project."""
    return _hashed(_modules(), version("torch"))


@cache
def git_commit() -> str:
    """The commit that this code stands at, or "unknown" outside a repository."""
    where = Path(orchestrator.__file__ or "").parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def import_closure(roots: Iterable[str]) -> set[str]:
    """Our modules that ``roots`` import, directly or through others, themselves included, less ``EXEMPT``."""
    known = _modules()
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in found and not _is_exempt(module):
            found.add(module)
            waiting += [name for name in _imports(_tree(known[module])) if name in known]
    return found


def syntax_hash(source: str) -> str:
    """SHA-256 (hex) of a program's meaning: its syntax tree without docstrings."""
    return hashlib.sha256(ast.dump(_without_docstrings(ast.parse(source))).encode()).hexdigest()


def _is_exempt(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in EXEMPT)


@cache
def _modules() -> dict[str, Path]:
    """The source files of our packages by the names of their modules, wherever they are installed."""
    found = {}
    for package in _PACKAGES:
        root = Path(__import__(package).__file__ or "").parent
        for path in root.rglob("*.py"):
            parts = (package, *path.relative_to(root).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _imports(tree: ast.Module) -> Iterator[str]:
    """Names that may be modules: of ``from a.b import c`` a, a.b and a.b.c."""
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        yield child
        yield from _running(child)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return tree


def _hashed(modules: Iterable[str], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    known = _modules()
    for module in sorted(modules):
        digest.update(f"{module}\0{syntax_hash(known[module].read_text())}\0".encode())
    return digest.hexdigest()[:24]
