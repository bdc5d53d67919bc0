"""The source files behind a user's part, and their hash: nothing is imported to find them."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from trainables.errors import InputError


@cache
def source_hash(*references: str) -> str:
    """A hash (24 hex digits) of the files of some parts ``module:attribute``, and of all files of their own
    packages that these import.

    Raises:
        InputError: the source of a module cannot be found or read.
    """
    digest = hashlib.sha256()
    files = {name: path for reference in references for name, path in _closure(reference).items()}
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0".encode() + hashlib.sha256(_bytes(path)).digest())
    return digest.hexdigest()[:24]


def package_of(reference: str) -> Path:
    """The folder of the package, or the file, that a part lies in.

    Raises:
        InputError: it is neither a folder nor a file of Python source.
    """
    top = reference.partition(":")[0].split(".")[0]
    spec = PathFinder.find_spec(top)
    places = list(spec.submodule_search_locations or ()) if spec else []
    where = Path(places[0]) if len(places) == 1 else Path((spec and spec.origin) or "")
    if len(places) > 1 or not (where.is_dir() if places else where.suffix == ".py" and where.is_file()):
        raise InputError(
            f"the source of {reference!r} cannot be found: {top!r} is no folder or file of Python source "
            "that can be imported from here; start the command beside it, or install it"
        )
    return where


def imported_names(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Names that may be modules: of ``from a.b import c`` they are a, a.b and a.b.c.

    ``package`` is what relative imports are relative to; without it they are left out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return ""
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def _closure(reference: str) -> dict[str, Path]:
    """The modules that a part's module imports of its own package, directly or not, itself included."""
    modules, start = _modules(package_of(reference)), reference.partition(":")[0]
    if start not in modules:
        raise InputError(f"the source of {reference!r} cannot be found: there is no module {start!r}")
    parts = start.split(".")
    found: dict[str, Path] = {}
    waiting = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    while waiting:
        name = waiting.pop()
        if name not in found and name in modules:
            found[name] = modules[name]
            package = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
            waiting += imported_names(_tree(modules[name]), package)
    return found


def _modules(package: Path) -> Mapping[str, Path]:
    """All modules of a package by name; of a single file, those that lie beside it."""
    if package.is_file():
        return {path.stem: path for path in package.parent.glob("*.py")}
    return {
        ".".join((package.name, *path.relative_to(package).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in package.rglob("*.py")
    }


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(_bytes(path))
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path}, line {getattr(error, 'lineno', 1)}: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
