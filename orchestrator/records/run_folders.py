"""The run folders of sweeps: new, unfinished and sealed ones, and earlier looks at the same data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.records.journal import Journal
from orchestrator.records.seal import SEAL_FILE
from trainables.errors import InputError

EXPLORATION_FILE = "exploration.db"  # the exploration, for optuna-dashboard
_SETTINGS = "settings"  # the hash of them, among the arguments of a plan


def unfinished_run(
    out: Path, arguments: Mapping[str, Any], data_hash: str, code: str, data: str = ""
) -> Path:
    """The newest run folder in ``out`` with these arguments that has no admissible verdict yet.

    Where there is none, a sealed run goes on although something has changed, and its verdict will name that
    change: the newest one of the same study and seed on the latents in the folder ``data``.

    Raises:
        InputError: there is none, or its data, code or declared settings have changed since it began, so that
            going on would mix two experiments.
    """
    left = [(folder, planned) for folder, planned in _planned_runs(out) if not Journal(folder).answered()]
    same = [(folder, p) for folder, p in left if _asked(p["arguments"]) == _asked(arguments)]
    now = {"data": data_hash, "code": code, "choice of settings": arguments.get(_SETTINGS, "")}
    for folder, planned in same:
        if _versions(planned) == now:
            return folder
    for folder, planned in left:
        alike = all(planned["arguments"].get(n) == arguments.get(n) for n in ("study", "seed", "smoke"))
        if alike and planned.get("data", data) == data and Journal(folder).events("sealed"):
            return folder
    for folder, planned in same:
        for what, before in _versions(planned).items():
            _must_equal(folder, what, before, now[what])
    raise InputError(
        f"--resume found no unfinished run of study {arguments['study']!r} with these arguments in {out}; "
        "leave --resume out to start one"
    )


def _planned_runs(out: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Run folders, the newest first, with what was planned in them."""
    for path in sorted(out.glob("*/journal.jsonl"), key=lambda p: p.parent.name, reverse=True):
        planned = Journal(path.parent).events("planned")
        if planned:
            yield path.parent, planned[0]


def _asked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the user asked for, without what follows from the declaration of the study."""
    return {name: value for name, value in arguments.items() if name != _SETTINGS}


def _versions(planned: Mapping[str, Any]) -> dict[str, str]:
    """The hashes that have to be the same for a run to go on, each under what a user calls it."""
    settings = planned["arguments"].get(_SETTINGS, "")
    return {"data": planned["data_hash"], "code": planned["code"], "choice of settings": settings}


def _must_equal(folder: Path, what: str, before: str, now: str) -> None:
    if before != now:
        raise InputError(
            f"--resume cannot continue {folder}: its {what} was {before[:24]} and is {now[:24]} now; "
            "put back what it began with, or leave --resume out to start afresh"
        )


def earlier_looks(out: Path, run: Path, study: str, data_hash: str) -> list[str]:
    """Other runs in ``out`` that asked the same study of the same test speakers, and how they ended.

    A question that is asked often enough gets any answer, so a report names all of them.
    """
    looks = []
    for path in sorted(out.glob("*/journal.jsonl")):
        journal = Journal(path.parent)
        planned, judged = journal.events("planned"), journal.events("judged")
        if path.parent == run or not planned or not journal.events("sealed"):
            continue
        asked = planned[0]["arguments"]
        if (asked["study"], planned[0]["data_hash"], asked["smoke"]) == (study, data_hash, False):
            looks.append(f"{path.parent.name}: {judged[-1]['verdict'] if judged else 'sealed, not judged'}")
    return looks


def is_smoke_run(folder: Path | None) -> bool:
    """Whether a folder is that of a smoke run; None and a folder without a plan are not."""
    planned = Journal(folder).events("planned") if folder else []
    return bool(planned and planned[0]["arguments"].get("smoke"))


def newest_sealed_run(out: Path, study: str) -> Path | None:
    """The newest sealed run of a study, or None; a smoke run only where there is no other."""
    sealed = [
        path.parent
        for path in sorted(out.glob(f"*/{SEAL_FILE}"), key=lambda p: p.stat().st_mtime, reverse=True)
        if any(e["arguments"]["study"] == study for e in Journal(path.parent).events("planned"))
    ]
    return min(sealed, key=is_smoke_run, default=None)


def fresh_folder(out: Path, study: str) -> Path:
    """A new run folder, which no other process gets."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder, number = out / f"{study}-{stamp}", 1
    while True:
        try:
            folder.mkdir(parents=True)
        except NotADirectoryError:
            raise InputError(f"--out is {out}, which is a file; name a folder") from None
        except FileExistsError:
            if out.is_file():
                raise InputError(f"--out is {out}, which is a file; name a folder") from None
            number += 1
            folder = out / f"{study}-{stamp}-{number}"
        else:
            return folder
