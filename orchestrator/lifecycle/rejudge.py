"""A finished run, judged again by the present declaration of its study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.judging.verdict import TEST, Judgement, judge
from orchestrator.planning.plan import shrunk
from orchestrator.records.code_versions import judge_version
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.seal import as_sealed, breaches
from orchestrator.records.study_code import code_of_study
from orchestrator.records.study_file import study_of_record
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.study_page import write_report
from search_spaces.study import Study
from trainables.errors import InputError


def rejudge(run: Path, file: Path | None = None) -> tuple[Judgement, tuple[Path, ...]]:
    """Judge the evidence of a run folder, write its report anew, and return both.

    Args:
        file: that declares the study, where that is a user's own.

    Raises:
        InputError: the folder holds no evidence, or evidence that cannot be judged.
    """
    again = judged(run, file)
    with _sound(run):
        written = write_report(run, again.study, again.evidence, again.judgement)
    return again.judgement, written


def judged(run: Path, file: Path | None = None) -> JudgedRun:
    """The evidence of a run folder, judged by its study as it is declared now.

    Args:
        file: that declares the study, where that is a user's own.

    Raises:
        InputError: the folder holds no evidence, or evidence that cannot be judged.
    """
    evidence = Evidence.read(run / "evidence.json")
    study = study_of_record(evidence.study, file)
    sealed = [event["seal"] for event in Journal(run).events("sealed")]
    if sealed:
        study = as_sealed(study, sealed[0])
    if evidence.provenance.get("smoke"):
        study = shrunk(study)
    if sealed:
        now = _as_it_is(study, evidence, sealed[0])
        evidence.seal, evidence.broken = sealed[0], breaches(sealed[0], run, now)
    with _sound(run):
        return JudgedRun(study, evidence, judge(study, evidence))


@contextmanager
def _sound(run: Path) -> Iterator[None]:
    """Within the block, evidence that is not what it should be is a sentence."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{run / 'evidence.json'} cannot be judged ({type(error).__name__}: {error}); run its sweep again"
        ) from None


def _as_it_is(study: Study, evidence: Evidence, sealed: dict[str, Any]) -> dict[str, Any]:
    """The things that were sealed, as the evidence and the code have them now."""
    arms = {
        name: {**arm, "settings": evidence.arms[name].config.to_json()} if name in evidence.arms else arm
        for name, arm in sealed["arms"].items()
    }
    seeds = {r.seed for arm in evidence.arms.values() for r in arm.replicates}
    return {
        "arms": arms,
        "test": TEST,
        "seeds": sealed["seeds"] if seeds <= set(sealed["seeds"]) else sorted(seeds),
        "data": {**sealed["data"], "hash": evidence.data_hash},
        "code": code_of_study(study),
        "code_of_judge": judge_version(),
    }
