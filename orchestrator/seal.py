"""Show what is fixed before the test speakers are looked at: ``python -m orchestrator.seal STUDY``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from orchestrator.lifecycle.sealing import changes_since, export_prml, export_seal, stored_seal
from orchestrator.records.run_folders import newest_sealed_run
from orchestrator.records.seal import SEAL_FILE, changes
from orchestrator.records.study_file import load_study
from orchestrator.runtime import cli
from orchestrator.runtime.answers import Ended
from orchestrator.runtime.exit_codes import ExitCode
from search_spaces.study import declared
from trainables.errors import InputError

EXAMPLE = "python -m orchestrator.seal vmf_vs_mdn"


class SealAnswer(TypedDict):
    """A plan as it was sealed, its hash, and what has changed since; null where it is not sealed yet."""

    study: str
    sealed_in: str | None
    hash: str | None
    plan: dict[str, Any]
    changes: list[str]


def seal(
    study: Annotated[str, typer.Argument(help="Name of a study, or a file with a STUDY.")],
    out: Annotated[Path, typer.Option(help="Folder that holds the run folders.")] = Path("runs"),
    run: Annotated[
        Path | None, typer.Option(help="A run folder; by default the newest one that was sealed.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the sealed plan to this file, to be shared.")
    ] = None,
    producer: Annotated[
        str | None,
        typer.Option(help="Who vouches for the exported plan; writes a PRML manifest beside it too."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A sealed plan to compare with, such as one shared.")
    ] = None,
) -> SealAnswer:
    """Print the sealed plan of STUDY's newest run, or what would be sealed where there is none; say what has
    been changed since, or what differs from a sealed plan that somebody shared.
    """
    asked = load_study(study)
    folder = run or newest_sealed_run(out, asked.name)
    if folder is None and against is None:
        plan = {"study": declared(asked)}
        typer.echo(json.dumps(plan, indent=1, ensure_ascii=False))
        typer.echo(f"\nnot sealed yet: no run of it in {out} has come to confirmation")
        if export is not None:
            raise InputError("--export needs a sealed plan; run the study's sweep first")
        return {"study": asked.name, "sealed_in": None, "hash": None, "plan": plan, "changes": []}
    stored_hash, content = stored_seal(asked.name, folder / SEAL_FILE if folder else against or Path())
    if export is not None:
        export_seal(export, content, stored_hash)
        if producer is not None and folder is not None:
            typer.echo(f"PRML manifest {export_prml(export, content, folder, producer)}")
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    typer.echo(f"\nsealed in {folder or against}, hash {stored_hash}")
    differences = changes_since(stored_hash, content, asked, folder)
    if folder is not None and against is not None:
        differences += [f"shared plan: {c}" for c in changes(stored_seal(asked.name, against)[1], content)]
    for difference in differences:
        typer.echo(f"CHANGED {difference}")
    answer: SealAnswer = {
        "study": asked.name,
        "sealed_in": str(folder or against),
        "hash": stored_hash,
        "plan": content,
        "changes": differences,
    }
    if differences:
        raise Ended(ExitCode.INADMISSIBLE, answer)
    typer.echo("nothing has changed since")
    return answer


def main() -> None:
    """The command."""
    cli.run(seal, EXAMPLE)


if __name__ == "__main__":
    main()
