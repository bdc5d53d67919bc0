"""What an encoding found out about recordings, kept beside the latents: failures, and what was changed.

A recording that failed is not tried again before its file has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from orchestrator.runtime.atomic_files import write_atomically
from trainables.latents.speech.corpus import Corpus, Recording

LEDGER_FILE = "encoding.json"
_SHOWN = 50  # lines of one kind on the terminal; the file has all


class EncodingLedger:
    """The failures and notes of the recordings that a folder of latents was made from."""

    def __init__(self, out: Path) -> None:
        self._file = out / LEDGER_FILE
        try:
            stored = json.loads(self._file.read_text())
            self._failed: dict[str, Any] = dict(stored["not_encoded"])
            self._notes: dict[str, Any] = dict(stored["notes"])
        except (OSError, ValueError, KeyError, TypeError):  # it is made again by trying again
            self._failed, self._notes = {}, {}

    def failed(self, recording: Recording) -> bool:
        """Whether a recording could not be encoded, and its file is still the same."""
        return self._of(self._failed, recording) is not None

    def add(self, failures: Iterable[tuple[Path, str]], notes: Iterable[tuple[Path, str]]) -> None:
        """Keep failures and notes, as files and sentences; :meth:`write` puts them on disk."""
        for path, reason in failures:
            self._failed[str(path)] = {"reason": reason, **_state(path)}
        for path, sentence in notes:
            self._notes[str(path)] = {"reason": sentence, **_state(path)}

    def write(self) -> None:
        """Write the file, completely or not at all; without anything to say there is none."""
        if self._failed or self._notes or self._file.exists():
            content = {"not_encoded": self._failed, "notes": self._notes}
            write_atomically(self._file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def name_all(self, recordings: Sequence[Recording]) -> None:
        """Name on stderr which of these recordings failed, and what was noted of others, with counts."""
        failed = self._named(self._failed, recordings)
        print_lines("not encoded: ", failed)
        if failed:
            count = f"{len(failed)} of {len(recordings)} recordings could not be encoded"
            typer.echo(f"{count}; each is tried again once its file has changed", err=True)
        notes = self._named(self._notes, recordings)
        print_lines("noted: ", notes)
        if notes:
            typer.echo(f"{len(notes)} of {len(recordings)} recordings have notes", err=True)

    def _named(self, kept: Mapping[str, Any], recordings: Sequence[Recording]) -> list[tuple[Path, str]]:
        return sorted((r.path, found["reason"]) for r in recordings if (found := self._of(kept, r)))

    def _of(self, kept: Mapping[str, Any], recording: Recording) -> dict[str, Any] | None:
        path = recording.path.absolute()
        entry = kept.get(str(path))
        state = {} if entry is None else _state(path)
        return entry if entry and all(entry.get(key) == value for key, value in state.items()) else None


def name_left_out(corpus: Corpus) -> None:
    """Name on stderr the files of a corpus that are no recordings, with the reason and a count."""
    print_lines("left out: ", corpus.not_taken)
    if corpus.not_taken:
        typer.echo(f"{len(corpus.not_taken)} files or folders were left out", err=True)


def print_lines(word: str, lines: Sequence[tuple[Path, str]]) -> None:
    """Print on stderr a line for each path with its reason; of very many, the first."""
    for path, reason in lines[:_SHOWN]:
        typer.echo(f"{word}{printable(path)}: {reason}", err=True)
    if len(lines) > _SHOWN:
        typer.echo(f"{word}{len(lines) - _SHOWN} more", err=True)


def printable(path: Path) -> str:
    """A path that every terminal can show: what is not UTF-8 or would move the cursor is escaped."""
    text = str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _state(path: Path) -> dict[str, int | None]:
    with suppress(OSError):
        status = path.stat()
        return {"size": status.st_size, "modified": status.st_mtime_ns}
    return {"size": None, "modified": None}
