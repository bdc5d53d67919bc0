"""Show what is fixed before the test speakers are looked at: ``python -m orchestrator.seal STUDY``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import search_spaces
from orchestrator import cli
from orchestrator.journal import Journal
from orchestrator.plan import shrunk
from orchestrator.sealing import FILE, as_sealed, changes, read_seal, seal_hash
from search_spaces.study import declared
from trainables.errors import InputError


def seal(
    study: Annotated[str, typer.Argument(help="name of a study")],
    out: Annotated[Path, typer.Option(help="where run folders lie")] = Path("runs"),
    run: Annotated[
        Path | None, typer.Option(help="a run folder; by default the newest one that was sealed")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="write the sealed plan to this file, to be shared")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="a sealed plan to compare with, such as one shared")
    ] = None,
) -> None:
    """Print the sealed plan of STUDY's newest run, or what would be sealed where there is none; say what has
    been changed since, or what differs from a sealed plan that somebody shared.
    """
    asked = search_spaces.load(study)
    folder = run or _newest(out, study)
    if folder is None and against is None:
        typer.echo(json.dumps({"study": declared(asked)}, indent=1, ensure_ascii=False))
        typer.echo(f"\nnot sealed yet: no run of it in {out} has come to confirmation")
        if export is not None:
            raise InputError("--export needs a sealed plan; run the study's sweep first")
        return
    told, content = _of(study, (folder or Path()) / FILE if folder else against or Path())
    if export is not None:
        _export(export, content, told)
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    typer.echo(f"\nsealed in {folder or against}, hash {told}")
    asked = as_sealed(asked, content)
    now = {"study": declared(shrunk(asked) if _is_smoke(folder) else asked)}
    differences = changes({"study": content["study"]}, now)
    if told != seal_hash(content):
        differences.insert(0, "the file was edited: it does not have the hash that it carries.")
    if folder is not None:
        differences += [c for c in _edits(folder, content) if c not in differences]
        if against is not None:
            differences += [f"shared plan: {c}" for c in changes(_of(study, against)[1], content)]
    for difference in differences:
        typer.echo(f"CHANGED {difference}")
    if differences:
        raise typer.Exit(1)
    typer.echo("nothing has changed since")


def _of(study: str, path: Path) -> tuple[str, dict[str, Any]]:
    told, content = read_seal(path)
    name = content["study"]["name"]
    if name != study:
        raise InputError(f"{path} seals the study {name!r}, not {study!r}; name that study")
    return told, content


def _edits(folder: Path, content: dict[str, Any]) -> list[str]:
    """How the file differs from what the run's journal holds."""
    sealed = [event["seal"] for event in Journal(folder).events("sealed")]
    return [f"{FILE} was edited: {change}" for seal in sealed[:1] for change in changes(seal, content)]


def _is_smoke(folder: Path | None) -> bool:
    planned = Journal(folder).events("planned") if folder else []
    return bool(planned and planned[0]["arguments"].get("smoke"))


def _export(path: Path, content: dict[str, Any], told: str) -> None:
    if path.exists():
        raise InputError(f"--export would overwrite {path}; name a file that does not exist")
    try:
        path.write_text(json.dumps({"hash": told, **content}, indent=1, ensure_ascii=False))
    except OSError as error:
        raise InputError(f"--export cannot write {path} ({error.strerror}); name another file") from None


def _newest(out: Path, study: str) -> Path | None:
    """The newest run of the study that was sealed; a smoke run only where there is no other."""
    sealed = [
        path.parent
        for path in sorted(out.glob(f"*/{FILE}"), key=lambda p: p.stat().st_mtime, reverse=True)
        if any(e["arguments"]["study"] == study for e in Journal(path.parent).events("planned"))
    ]
    return min(sealed, key=_is_smoke, default=None)


def main() -> None:
    """The command."""
    cli.run(seal)


if __name__ == "__main__":
    main()
