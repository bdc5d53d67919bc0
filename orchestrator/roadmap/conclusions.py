"""What is believed now: updated probabilities, decisions taken, and the architecture that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.roadmap.gates import Outlook, StepState
from orchestrator.roadmap.log import Entry
from search_spaces.conclusions import ARCHITECTURE, SECTION_6_3, SECTION_10, Part
from search_spaces.roadmap import GO, NO_GO, ROADMAP
from search_spaces.study import Study


def conclusions(
    outlook: Outlook, studies: Mapping[str, Study], verdicts: Mapping[str, Entry]
) -> dict[str, Any]:
    """The last page of the roadmap as plain data: ``beliefs``, ``decisions`` and ``architecture``."""
    return {
        "beliefs": _beliefs(outlook, studies, verdicts),
        "decisions": _decisions(outlook),
        "architecture": [
            {"part": part.name, "is": text, "because": key or None}
            for part in (ARCHITECTURE if outlook.roadmap is ROADMAP else ())  # of no other roadmap
            for key, text in [chosen(part, outlook)]
        ],
    }


def chosen(part: Part, outlook: Outlook) -> tuple[str, str]:
    """The verdict or decision that chooses a part of the architecture, and what the part is.

    The former is empty where nothing has chosen it yet.
    """
    done = outlook.of(StepState.DONE)
    holding = {f"{s.step.study} {s.verdict}" for s in done} | {s.settles for s in done if s.settles}
    return next(((key, text) for key, text in part.rules if key in holding), ("", part.otherwise))


def _beliefs(
    outlook: Outlook, studies: Mapping[str, Study], verdicts: Mapping[str, Entry]
) -> list[dict[str, Any]]:
    """The rows of section 10 in their order, then the hypotheses that it does not list."""
    listed = {estimate.study: asdict(estimate) for estimate in SECTION_10 if estimate.study in studies}
    others = [s.step.study for s in outlook.statuses if s.step.study not in listed]
    blank = {"previous": None, "updated": None, "reasoning": ""}
    rows = [*listed.values(), *({**blank, "study": n, "hypothesis": studies[n].title} for n in others)]
    return [{**row, **_now(row["study"], outlook, studies, verdicts)} for row in rows]


def _now(
    name: str, outlook: Outlook, studies: Mapping[str, Study], verdicts: Mapping[str, Entry]
) -> dict[str, Any]:
    entry = verdicts.get(name)
    prior = studies[name].prior.probability if entry is None or entry.prior is None else entry.prior
    now = prior if entry is None or entry.posterior is None else entry.posterior
    return {"prior": prior, "now": now, "key": outlook.status(name).key}


def _decisions(outlook: Outlook) -> list[dict[str, Any]]:
    """The decisions of section 6.3, each with what was taken; None while its study has not decided."""
    rows = []
    asked = [status.step.study for status in outlook.statuses]
    for decision in (decision for decision in SECTION_6_3 if decision.study in asked):
        status = outlook.status(decision.study)
        taken = {GO: decision.on_success, NO_GO: decision.on_failure}.get(status.verdict)
        rows.append({**asdict(decision), "key": status.key, "taken": taken})
    return rows
