"""Versions of the code that trains, diagnoses and judges: hashes of what decides numbers.

A version follows from the syntax trees of some modules and of all our modules that they import, directly or
not, at the top or inside a function. Comments, layout, docstrings and what is imported for type checking
alone are left out, so that rewording a sentence costs nobody a night of training.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import orchestrator
from trainables.lane_config import PREDICTOR, declaring_module
from trainables.own_parts.source import imported_names

Modules = Mapping[str, Path]  # source files by the names of their modules

_PACKAGES = ("orchestrator", "search_spaces", "trainables")
# Codecs are imported by a name that is looked up. Lanes need none: they read what a codec has written, whose
# hash is a part of their keys.
_CODECS = "trainables.latents.codecs.*"
TRAINS = ("orchestrator.execution.ray_train", "orchestrator.execution.ray_tune")
TRAINING_LIBRARIES = ("torch", "numpy", "faiss-cpu")
DIAGNOSES = ("orchestrator.inspection.diagnosis", _CODECS)
JUDGES = (
    "orchestrator.inspection.listening",
    "orchestrator.inspection.reference_rules",
    "orchestrator.judging.verdict",
    "orchestrator.records.ablation_evidence",
    "orchestrator.records.arm_evidence",
    _CODECS,
)
# Modules, with all below them, that are imported there and decide no number: each with the reason.
EXEMPT = {
    "orchestrator.runtime": "how Ray is reached, files are written and a terminal is used",
    "orchestrator.execution.progress": "what a terminal shows",
    "orchestrator.records.code_versions": "names versions",
}


@cache
def code_version(*trainables: str) -> str:
    """Hash (24 hex digits) of all code that lanes get their numbers from, uncommitted edits included.

    Args:
        trainables: what the lanes run, by name; predictors where none is named.
    """
    return version_of(training_roots(*trainables), _installed(), TRAINING_LIBRARIES)


def training_roots(*trainables: str) -> tuple[str, ...]:
    """The modules from which all code follows that lanes get their numbers from, see :func:`code_version`."""
    return *TRAINS, *(declaring_module(name) for name in trainables or (PREDICTOR,))


@cache
def judge_version() -> str:
    """Hash (24 hex digits) of the code that turns lanes into a verdict."""
    return version_of(JUDGES, _installed(), ("torch", "numpy", "scipy"))


@cache
def diagnosis_version() -> str:
    """Hash (24 hex digits) of the code that a diagnosis comes from."""
    return version_of(DIAGNOSES, _installed(), ("torch", "numpy", "scipy", "faiss-cpu"))


@cache
def full_version() -> str:
    """Hash (24 hex digits) of all code of this project."""
    return version_of(
        [f"{package}.*" for package in _PACKAGES], _installed(), ("torch", "numpy", "scipy"), ()
    )


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


def version_of(
    roots: Iterable[str],
    modules: Modules,
    libraries: Iterable[str] = (),
    exempt: Collection[str] = tuple(EXEMPT),
) -> str:
    """Hash (24 hex digits) of the import closure of ``roots``, and of the versions of some libraries."""
    digest = hashlib.sha256("\0".join(version(name) for name in libraries).encode())
    for name in sorted(import_closure(roots, modules, exempt)):
        digest.update(f"{name}\0{_read(modules[name].read_bytes()).syntax_hash}\0".encode())
    return digest.hexdigest()[:24]


def import_closure(
    roots: Iterable[str], modules: Modules, exempt: Collection[str] = tuple(EXEMPT)
) -> set[str]:
    """Names of the modules that ``roots`` import, directly or through others, themselves included.

    A root that ends in ``.*`` stands for a package with all that lies in it.

    Raises:
        KeyError: a root that is no module.
    """
    found: set[str] = set()
    waiting = [name for root in roots for name in _meant_by(root, modules)]
    while waiting:
        name = waiting.pop()
        if name not in found and not any(_lies_in(name, package) for package in exempt):
            found.add(name)
            waiting += [other for other in _read(modules[name].read_bytes()).imports if other in modules]
    return found


def modules_in(folder: Path) -> dict[str, Path]:
    """The source files of our packages, which lie side by side in ``folder``."""
    return {name: path for package in _PACKAGES for name, path in _modules_of(package, folder / package)}


@cache
def _installed() -> Modules:
    """The source files of our packages, wherever they are installed."""
    roots = {package: Path(__import__(package).__file__ or "").parent for package in _PACKAGES}
    return {name: path for package, root in roots.items() for name, path in _modules_of(package, root)}


def _modules_of(package: str, root: Path) -> Iterator[tuple[str, Path]]:
    for path in root.rglob("*.py"):
        parts = (package, *path.relative_to(root).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), path


def _meant_by(root: str, modules: Modules) -> list[str]:
    package = root.removesuffix(".*")
    return [root] if package == root else [name for name in modules if _lies_in(name, package)]


def _lies_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class _Source(NamedTuple):
    syntax_hash: str  # SHA-256 (hex)
    imports: frozenset[str]  # names that may be modules


@cache
def _read(source: bytes) -> _Source:
    tree = _what_runs(ast.parse(source))
    return _Source(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(imported_names(tree)))


def _what_runs(tree: ast.Module) -> ast.Module:
    """The tree, without docstrings and without what is under ``if TYPE_CHECKING``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    return tree
