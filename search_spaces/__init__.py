"""The studies: each module of this package with a ``STUDY`` is one. Only the standard library is used."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from search_spaces.study import Study, StudyError


def names() -> list[str]:
    """The names of all studies, sorted."""
    return sorted(name for name in _modules() if _study(name) is not None)


def load(name: str) -> Study:
    """The study called ``name``.

    Raises:
        StudyError: there is no such study; the sentence names the nearest one.
    """
    study = _study(name) if name in _modules() else None
    if study is None:
        raise StudyError(_unknown(name))
    return study


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def _study(name: str) -> Study | None:
    study = getattr(importlib.import_module(f"{__name__}.{name}"), "STUDY", None)
    return study if isinstance(study, Study) else None


def _unknown(name: str) -> str:
    known = names()
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown study {name!r}{hint} (studies: {', '.join(known)})"
