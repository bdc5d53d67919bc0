"""From a source of results to a judged run with its report, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from orchestrator.judge.rebuilt_evidence import rebuilt
from orchestrator.judge.sources import read_results
from orchestrator.judging.verdict import judge
from orchestrator.records.run_folders import fresh_folder
from orchestrator.records.study_file import load_study
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.study_page import write_report


def judge_source(
    source: str, study_name: str, frame_rate: float | None = None, command: str = ""
) -> JudgedRun:
    """The verdict of a study on results of others: same intervals, criteria and report, but not sealed.

    Raises:
        InputError: the source cannot be read, or a row is wrong; the message names it.
        StudyError: there is no such study.
    """
    declared = load_study(study_name)
    study, evidence = rebuilt(declared, read_results(source, declared), frame_rate)
    evidence.provenance["command"] = command
    return JudgedRun(study, evidence, judge(study, evidence))


def write_judged(run: JudgedRun, out: Path) -> Path:
    """Write report, verdict and evidence of a judged run into a new folder in ``out``; return the folder."""
    folder = fresh_folder(out, f"{run.study.name}-judged")
    run.evidence.write(folder / "evidence.json")
    write_report(folder, run.study, run.evidence, run.judgement)
    return folder
