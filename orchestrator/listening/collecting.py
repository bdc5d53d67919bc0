"""Answers of listeners into the evidence of a run, which is then judged again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.judging.verdict import Judgement
from orchestrator.lifecycle.rejudge import rejudge
from orchestrator.listening.answers import Answers, consistency, preferences, read_answers, why_left_out
from orchestrator.listening.panel import PANEL_FOLDER, SEALED, Panel, Trial, read_panel
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.study_file import study_of_record
from trainables.errors import InputError


@dataclass(frozen=True)
class Collected:
    """What became of answers: the verdict, the files written, who was left out and why."""

    judgement: Judgement
    written: tuple[Path, ...]
    left_out: dict[str, str]  # by listener


class SealedPanel(NamedTuple):
    """A panel as it was sealed: its trials by name, the names of those on each page by the page's digest, and
    by measure and utterance how much machines favour the arm.
    """

    panel: Panel
    trials: dict[str, Trial]
    pages: dict[str, list[str]]
    machines: dict[str, dict[str, float]]


def sealed_panel(run: Path) -> SealedPanel:
    """The panel of a run.

    Raises:
        InputError: the run has none, or it was altered since it was sealed.
    """
    events = Journal(run).events(SEALED)
    if not events:
        raise InputError(
            f"{run} has no listening test; make one with `python -m orchestrator.listen make {run}`"
        )
    panel, trials = read_panel(run / PANEL_FOLDER, events[-1]["panel"])
    return SealedPanel(panel, trials, events[-1]["pages"], events[-1].get("machines", {}))


def collect_answers(run: Path, files: Sequence[Path], file: Path | None = None) -> Collected:
    """Check answers, write them into the evidence of a run, judge it again and make its report anew.

    All answers that count have to be given at once: those of an earlier call are replaced.

    Args:
        file: that declares the study, where that is a user's own.

    Raises:
        InputError: a file answers another panel or an altered page, is damaged or incomplete, or two are of
            the same listener; the evidence is then as it was.
    """
    evidence = Evidence.read(run / "evidence.json")
    study_of_record(evidence.study, file)  # refused before anything is changed
    panel, trials, pages, machines = sealed_panel(run)
    listeners = []
    left_out = {}
    for answers in _whole(files, panel, trials, pages):
        why = why_left_out(answers, trials)
        if why:
            left_out[answers.listener] = why
        listeners.append(
            {
                "listener": answers.listener,
                "left_out": why,
                "consistency": consistency(answers, trials),
                "preferences": preferences(answers, trials, panel.arm, panel.versus),
            }
        )
    evidence.ratings = {
        "panel": panel.hash,
        "arm": panel.arm,
        "versus": panel.versus,
        "listeners": listeners,
        "machines": machines,
        "exclusion": panel.exclusion,
        "test": panel.test,
    }
    evidence.write(run / "evidence.json")
    judgement, written = rejudge(run, file)
    return Collected(judgement, written, left_out)


def _whole(
    files: Sequence[Path], panel: Panel, trials: dict[str, Trial], pages: dict[str, list[str]]
) -> list[Answers]:
    """The answers of every listener to all pages of a panel, in the order of the listeners' codes."""
    parts: defaultdict[str, dict[str, tuple[Path, Answers]]] = defaultdict(dict)
    for path in files:
        page, answers = read_answers(path, panel, pages, trials)
        known = parts[answers.listener]
        if page in known:
            raise InputError(
                f"{known[page][0]} and {path} are both of listener {answers.listener}; give one of them"
            )
        known[page] = (path, answers)
    for listener, given in sorted(parts.items()):
        if missing := len(pages) - len(given):
            raise InputError(
                f"listener {listener} has not answered {missing} of {len(pages)} pages; wait for them"
            )
    return [
        Answers(listener, {k: v for _, answers in given.values() for k, v in answers.choices.items()})
        for listener, given in sorted(parts.items())
    ]
