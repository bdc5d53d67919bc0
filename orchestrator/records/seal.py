"""The seal of a plan, made before the test speakers are looked at, and what has changed since.

A seal holds everything that could be bent to fit a result: hypothesis, criteria, arms with the settings that
won, exclusions, test, alpha, seeds, data and code. Its hash is written before the confirm phase begins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from os.path import commonprefix
from pathlib import Path
from typing import Any

from orchestrator.runtime.atomic_files import write_atomically
from search_spaces.effort import with_effort, with_settings
from search_spaces.study import Study, bound, declared
from trainables.errors import InputError

SEAL_FILE = "sealed.json"
NAME_SEPARATOR = ", "  # the names of representations
_LONGEST, _LED_IN = 80, 20  # characters of a value that are shown, and of those before a difference


def breaches(sealed: Mapping[str, Any], folder: Path, now: Mapping[str, Any]) -> list[str]:
    """What has changed since a plan was sealed, apart from the declaration of its study: a sentence each.

    Args:
        sealed: the seal in the journal, which is the one that counts.
        folder: the run folder; a missing seal file is written again, and an edited one is a breach.
        now: the same things as they are now; what is left out is not compared.
    """
    kept = {key: value for key, value in sealed.items() if key in now and key != "study"}
    broken = changes(kept, {key: now[key] for key in kept})
    path = folder / SEAL_FILE
    if not path.exists():
        write_seal(folder, sealed)
    try:
        stored_hash, content = read_seal(path)
    except InputError:
        return [*broken, f"{SEAL_FILE} cannot be read any more."]
    if {stored_hash, seal_hash(content)} != {seal_hash(sealed)}:
        edits = changes(sealed, content) or ["its hash was rewritten."]
        broken += [f"{SEAL_FILE} was edited: {edit}" for edit in edits]
    return broken


def seal_hash(seal: Any) -> str:
    """SHA-256 (hex) of a seal, or of other plain data, as canonical JSON."""
    return hashlib.sha256(json.dumps(seal, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_seal(folder: Path, seal: Mapping[str, Any]) -> Path:
    """Write a seal and its hash into the run folder, for people and for :func:`read_seal`."""
    content = {"hash": seal_hash(seal), **seal}
    return write_atomically(folder / SEAL_FILE, json.dumps(content, indent=1, ensure_ascii=False))


def read_seal(path: Path) -> tuple[str, dict[str, Any]]:
    """The hash that stands in a seal file, and the content of the file.

    Raises:
        InputError: there is no such file, or it is no sealed plan.
    """
    try:
        seal = json.loads(path.read_text())
        stored_hash = str(seal.pop("hash"))
        if not isinstance(seal["study"]["name"], str):
            raise TypeError("a study's name is text")
        return stored_hash, seal
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise InputError(
            f"{path} is not a sealed plan; name a run folder's {SEAL_FILE}, or a file that "
            "seal --export wrote"
        ) from None


def changes(sealed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two seals, or two studies as declared: a sentence each."""
    return [
        "{} was {} when sealed and is {} now.".format(_where(path), *_values(before, after))
        for path, before, after in _differences(sealed, now, ())
    ]


def study_changes(seal: Mapping[str, Any], study: Study) -> list[str]:
    """What a study declares differently from when it was sealed: a sentence each."""
    return changes(seal["study"], declared(as_sealed(study, seal)))


def as_sealed(study: Study, seal: Mapping[str, Any]) -> Study:
    """A study as a seal's user asked for it: with its effort and settings, bound to its representations."""
    asked = seal.get("study", {})
    effort, settings = asked.get("effort", study.effort), asked.get("settings", {})
    if (study.effort, dict(study.settings)) != (effort, settings):
        study = with_settings(with_effort(study, effort), settings)
    names = seal.get("data", {}).get("representation", "").split(NAME_SEPARATOR)
    return bound(study, names) if study.compares and len(names) > 1 else study


def _differences(
    before: Any, after: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _differences(before.get(key), after.get(key), (*path, str(key)))
    elif _named(before) and _named(after):
        yield from _differences(_named(before), _named(after), path)
    elif _sentences(before) and _sentences(after) and set(before) != set(after):
        yield from ((path, sentence, None) for sentence in before if sentence not in after)
        yield from ((path, None, sentence) for sentence in after if sentence not in before)
    else:
        yield path, before, after


def _named(values: Any) -> dict[str, Any]:
    """Criteria and components by name, so that inserting one does not seem to change all that follow."""
    if isinstance(values, list) and values and all(isinstance(v, Mapping) and "name" in v for v in values):
        return {repr(v["name"]): v for v in values}
    return {}


def _sentences(values: Any) -> bool:
    """Whether these are sentences, such as exclusions, each of which is a thing of its own."""
    return isinstance(values, list | tuple) and all(isinstance(v, str) and " " in v for v in values)


def _where(path: tuple[str, ...]) -> str:
    return ": ".join(path)


def _values(*values: Any) -> list[str]:
    """Two values as JSON, of long ones the part in which they differ."""
    texts = ["absent" if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    shared = len(commonprefix(texts)) if max(map(len, texts)) > _LONGEST else 0
    skipped = max(0, shared - _LED_IN)
    return [_shortened(("..." if skipped else "") + text[skipped:]) for text in texts]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
