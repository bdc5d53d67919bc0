"""A folder of a user's own, from which parts are imported as if the user stood in it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.new.starting_file import Beginning, starting_text
from trainables.own_parts.registry import NAMED
from trainables.own_parts.source import source_hash


@contextmanager
def user_folder(folder: Path) -> Iterator[Path]:
    """Work in a folder; afterwards nothing that was imported from it, or named, is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        patch.setenv(NAMED, "")  # deleted it would not come back to what it was
        before = set(sys.modules)
        importlib.invalidate_caches()
        source_hash.cache_clear()
        yield folder
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        source_hash.cache_clear()


def write(folder: Path, texts: Mapping[str, str] | None = None, /, **more: str) -> None:
    """Write Python files by their paths without .py."""
    for name, text in {**(texts or {}), **more}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    importlib.invalidate_caches()


def begin(folder: Path, **names: str) -> None:
    """Write the files that are there to begin with: ``head="laplace_head"``, ``codec=...``, ``study=...``."""
    write(folder, **{name: starting_text(Beginning(what), name) for what, name in names.items()})
