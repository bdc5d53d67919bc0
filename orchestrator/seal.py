"""Show what is fixed before the test speakers are looked at: ``python -m orchestrator.seal STUDY``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import search_spaces
from orchestrator import cli
from orchestrator.journal import Journal
from orchestrator.sealing import FILE, changes, read_seal, seal_hash
from search_spaces.study import Study, criteria_hash, declared
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
    been declared otherwise since.
    """
    asked = search_spaces.load(study)
    folder = run or _newest(out, study)
    if folder is None and against is None:
        content, told = {"study": declared(asked)}, ""
        where = "not sealed yet: no run of it has come to confirmation"
    else:
        path = against or (folder or Path()) / FILE
        told, content = read_seal(path)
        where = f"sealed in {path}"
        if content.get("study", {}).get("name") != study:
            raise InputError(
                f"{path} seals the study {content.get('study', {}).get('name')!r}, not {study!r}"
            )
    if export is not None:
        _export(export, content, told)
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    typer.echo(f"\n{where}")
    typer.echo(f"hash {told or 'none'}; of the criteria as declared now {criteria_hash(asked)}")
    _compare(content, told, asked)


def _compare(content: dict[str, Any], told: str, asked: Study) -> None:
    differences = changes(content["study"], declared(asked))
    if told and told != seal_hash(content):
        differences.insert(0, "the file was edited: it does not have the hash that it carries.")
    for difference in differences:
        typer.echo(f"CHANGED {difference}")
    if told and not differences:
        typer.echo("nothing that was declared has changed since")
    if differences:
        raise typer.Exit(1)


def _export(path: Path, content: dict[str, Any], told: str) -> None:
    if not told:
        raise InputError(
            "--export needs a sealed plan, and no run of this study was sealed yet; run its sweep first"
        )
    if path.exists():
        raise InputError(f"--export would overwrite {path}; name a file that does not exist")
    path.write_text(json.dumps({"hash": told, **content}, indent=1, ensure_ascii=False))


def _newest(out: Path, study: str) -> Path | None:
    sealed = [
        path.parent
        for path in sorted(out.glob(f"*/{FILE}"), key=lambda p: p.stat().st_mtime, reverse=True)
        if any(e["arguments"]["study"] == study for e in Journal(path.parent).events("planned"))
    ]
    return sealed[0] if sealed else None


def main() -> None:
    """The command."""
    cli.run(seal)


if __name__ == "__main__":
    main()
