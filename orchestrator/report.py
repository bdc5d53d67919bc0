"""Judge a finished run again and write its report anew: ``python -m orchestrator.report RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import search_spaces
from orchestrator import cli
from orchestrator.evidence import Evidence
from orchestrator.journal import Journal, code_version, judge_version
from orchestrator.plan import shrunk
from orchestrator.reporting.page import write_report
from orchestrator.sealing import TEST, breaches
from orchestrator.statistics.verdict import judge
from trainables.errors import InputError


def report(run: Annotated[Path, typer.Argument(help="a run folder that holds evidence.json")]) -> None:
    """Judge the evidence of RUN by its study as it is declared now, and write report and verdict beside it.

    Nothing is trained. Where anything was changed after the run was sealed, be it the study, the code or the
    record itself, the verdict is INADMISSIBLE and names the change.
    """
    evidence = Evidence.read(run / "evidence.json")
    study = search_spaces.load(evidence.study)
    if evidence.provenance.get("smoke"):
        study = shrunk(study)
    sealed = [event["seal"] for event in Journal(run).events("sealed")]
    if sealed:
        evidence.seal, evidence.broken = sealed[0], breaches(sealed[0], run, _as_it_is(evidence, sealed[0]))
    try:
        judgement = judge(study, evidence)
        written = write_report(run, study, evidence, judgement)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{run / 'evidence.json'} cannot be judged ({type(error).__name__}: {error}); run its sweep again"
        ) from None
    typer.echo(f"{judgement.verdict}: {judgement.reason}\n{judgement.consequence}\n")
    typer.echo("\n".join(map(str, written)))


def _as_it_is(evidence: Evidence, sealed: dict[str, Any]) -> dict[str, Any]:
    """What the record and the code say now of the things that were sealed."""
    arms = {
        name: {**arm, "settings": evidence.arms[name].config} if name in evidence.arms else arm
        for name, arm in sealed["arms"].items()
    }
    seeds = {r.seed for arm in evidence.arms.values() for r in arm.replicates}
    return {
        "arms": arms,
        "test": TEST,
        "seeds": sealed["seeds"] if seeds <= set(sealed["seeds"]) else sorted(seeds),
        "data": {**sealed["data"], "hash": evidence.data_hash},
        "code": code_version(),
        "code_of_judge": judge_version(),
    }


def main() -> None:
    """The command."""
    cli.run(report)


if __name__ == "__main__":
    main()
