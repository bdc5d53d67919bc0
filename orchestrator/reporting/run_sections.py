"""Sections that tell of the run itself: question, sound, cost and provenance."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.inspection.clips import kind_of_sound
from orchestrator.judging.verdict import decodable
from orchestrator.records.evidence import Exhibit
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, flat_rows, hours_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.machine_agreement_rows import AGREEMENT_COLUMNS, AGREEMENT_NOTE, agreement_rows
from orchestrator.reporting.page_section import Section
from orchestrator.reporting.spectrograms import spectrogram
from orchestrator.reporting.templating import picture_address, sound_address
from trainables.listening.decode import wav_seconds

_ELSEWHERE = ("command", "earlier_verdicts")  # parts of the provenance that other sections show


def question_section(run: JudgedRun) -> Section:
    """The hypothesis, and what was believed of it."""
    content = {"study": run.study, "level": run.level}
    return Section("question", "question", "question.html", content)


def listening_section(run: JudgedRun) -> Section:
    """Clips to listen to, or why there are none."""
    evidence = run.evidence
    return clips_section(
        evidence.exhibits,
        str(evidence.data.get("representation", "")),
        is_decodable=decodable(evidence),
        are_drawn=evidence.continuation == "sample",
        agreement=agreement_rows(evidence.ratings),
    )


def clips_section(
    exhibits: Sequence[Exhibit],
    representation: str,
    *,
    is_decodable: bool = True,
    are_drawn: bool = False,
    agreement: Sequence[TableRow] = (),
) -> Section:
    """Exhibits with players and spectrograms, and whether machines hear what listeners heard in them.

    Args:
        exhibits: to listen to.
        representation: whose sounds they are.
        is_decodable: whether there could be any, where there are none.
        are_drawn: whether every step was drawn from the law that an arm predicts.
        agreement: rows of the table on machines and listeners.
    """
    content = {
        "exhibits": [_exhibit(exhibit) for exhibit in exhibits],
        "what": kind_of_sound(representation),
        "decodable": is_decodable,
        "drawn": are_drawn,
        "agreement": agreement,
        "agreement_columns": AGREEMENT_COLUMNS,
        "agreement_note": AGREEMENT_NOTE,
    }
    return Section("listen", "listen", "listening.html", content)


def cost_section(run: JudgedRun) -> Section:
    """The cost of a run: what was planned beside what was spent."""
    return Section("cost", "cost", "cost.html", {"rows": cost_rows(run.evidence.cost)})


def cost_rows(cost: Mapping[str, Any]) -> list[TableRow]:
    """The table of costs: device time, wall-clock time, price and lanes, as planned and as spent."""
    planned, spent = cost.get("planned") or {}, cost.get("spent") or {}
    rows = []
    for key, title in (("device_hours", "device time"), ("wall_hours", "wall-clock time")):
        rows.append([title, _range(planned.get(key)), hours_text(spent.get(key))])
    price, paid = planned.get("price"), spent.get("price")
    if price or paid is not None:
        expected = f"{price[0]:.2f} to {price[1]:.2f}" if price else NO_VALUE
        rows.append(["price", expected, NO_VALUE if paid is None else f"{paid:.2f}"])
    trained, reused = spent.get("lanes"), spent.get("lanes_reused")
    lanes = [] if trained is None else [str(trained)]
    lanes += [f"{reused} taken from earlier runs"] if reused else []
    rows.append(["lanes (models trained)", str(planned.get("lanes", NO_VALUE)), ", ".join(lanes) or NO_VALUE])
    return rows


def provenance_section(run: JudgedRun) -> Section:
    """How to run it again, what ran it, and on which data."""
    evidence = run.evidence
    provenance = {key: value for key, value in evidence.provenance.items() if key not in _ELSEWHERE}
    datasets = ({key: v for key, v in evidence.data.items() if key != "world"}, *evidence.other_data)
    content = {
        "command": evidence.provenance.get("command", ""),
        "provenance": flat_rows({**provenance, "criteria_hash": run.judgement.criteria_hash}),
        "data": [row for data in datasets for row in flat_rows(data)],
        "sealed": bool(evidence.seal),
    }
    return Section("provenance", "provenance", "provenance.html", content)


def _exhibit(exhibit: Exhibit) -> dict[str, Any]:
    return {
        "utterance": exhibit.utterance_id,
        "speaker": exhibit.speaker_id,
        "context": f"{exhibit.context_seconds:.2f}",
        "clips": [_clip(name, wav, exhibit.context_seconds) for name, wav in exhibit.clips.items()],
    }


def _clip(name: str, wav: bytes, context_seconds: float) -> dict[str, Any]:
    seconds = wav_seconds(wav)
    return {
        "name": name,
        "sound": sound_address(base64.b64encode(wav).decode()),
        "picture": picture_address(spectrogram(wav)),
        "begins": round(100 * min(1.0, context_seconds / seconds), 2) if seconds else 100,
    }


def _range(hours: Sequence[float] | None) -> str:
    return NO_VALUE if hours is None else f"{hours_text(hours[0])} to {hours_text(hours[1])}"
