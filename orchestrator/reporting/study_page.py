"""The report of a sweep: one self-contained page, verdict first, and the same verdict for machines.

The page loads nothing from anywhere: styles, figures and sound are inside it.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from orchestrator.judging.ablation_effects import Effect, effects
from orchestrator.judging.measures import Measures
from orchestrator.judging.verdict import Judgement, decodable
from orchestrator.records.evidence import Evidence, Exhibit
from orchestrator.reporting import result_rows as tables
from orchestrator.reporting import trust_rows as accounts
from orchestrator.reporting.density_section import density_context
from orchestrator.reporting.diagnosis_section import diagnosis_context
from orchestrator.reporting.figures import Line, effects_figure, rollout_figure, search_figure
from orchestrator.reporting.mixture_section import components_context
from orchestrator.reporting.representation_section import comparison
from orchestrator.reporting.study_markdown import markdown
from orchestrator.reporting.templating import render
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.statistics.beliefs import RULE
from search_spaces.study import Role, Study
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus

_FEW_ARMS = 4  # more would hide each other's nulls in a figure; the tables have them
_CAPTIONS = {
    "cos": "Cosine between predicted and true step. 1 is the right direction, 0 none.",
    "magnitude_ratio": "Length of the predicted step over that of the true one. 0 stands still.",
}
_SECTIONS = (
    ("question", "question"),
    ("criteria", "criteria"),
    ("comparison", "representations"),
    ("rollout", "free running"),
    ("null", "nulls"),
    ("ablations", "ablations"),
    ("diagnosis", "the data"),
    ("search", "search"),
    ("density", "frames"),
    ("components", "components"),
    ("listen", "listen"),
    ("trust", "why trust it"),
    ("cost", "cost"),
    ("provenance", "provenance"),
)
_ADVICE = {
    "GO": "the hypothesis holds by its own criteria",
    "NO-GO": "the hypothesis fails by its own criteria",
    "INCONCLUSIVE": "the evidence does not decide",
    "INADMISSIBLE": "no verdict may be drawn from this run",
}


def write_report(
    folder: Path, study: Study, evidence: Evidence, judgement: Judgement
) -> tuple[Path, Path, Path]:
    """Write ``report.html``, ``report.md`` and ``verdict.json`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = effects(study, evidence, judgement.level)
    page = render("study.html", **_context(study, evidence, judgement, found))
    path = folder / "report.html"
    write_atomically(path, page)
    machine = json.dumps(
        _machine(study, evidence, judgement, found), indent=1, ensure_ascii=False, allow_nan=False
    )
    write_atomically(folder / "verdict.json", machine)
    write_atomically(folder / "report.md", markdown(study, evidence, judgement, found))
    return path, folder / "report.md", folder / "verdict.json"


def _machine(study: Study, evidence: Evidence, judgement: Judgement, found: list[Effect]) -> dict[str, Any]:
    hashes = {
        "criteria": judgement.criteria_hash,
        "data": evidence.data_hash,
        "git_commit": evidence.provenance.get("git_commit"),
        "seal": judgement.seal,
    }
    return {
        **judgement.to_json(),
        "ablations": [effect.to_json() for effect in found],
        "assays": [asdict(assay) for assay in evidence.assays],
        "cost": evidence.cost,
        "hashes": hashes,
        "declared": asdict(study),
        "command": evidence.provenance.get("command", ""),
    }


def _context(study: Study, evidence: Evidence, judgement: Judgement, found: list[Effect]) -> dict[str, Any]:
    measures = Measures(evidence, judgement.level)
    arms = [arm.name for arm in study.arms if arm.name in evidence.arms]
    frame_rate = float(evidence.data["frame_rate"])
    baselines = tables.telling(list(evidence.baselines), measures)
    data = {key: value for key, value in evidence.data.items() if key != "world"}
    apart = ("command", "earlier_verdicts")
    provenance = {key: value for key, value in evidence.provenance.items() if key not in apart}
    primary = next(r for r in judgement.criteria if r.criterion.role is Role.PRIMARY)
    compared = comparison(study, evidence, judgement, measures)
    diagnosis = diagnosis_context(evidence.diagnoses)
    densities = _each(evidence.densities, density_context, judgement.level, "density")
    sounds = _each(evidence.components, components_context, judgement.level, "components")
    return {
        "study": study,
        "deciding": accounts.deciding(primary),
        "one_plot": study.primary.metric.split("@")[0],
        "level": f"{100 * judgement.level:.3g}",
        "ablations": accounts.ablation_rows(found),
        "ablation_warning": accounts.ablation_warning(found, study.primary.metric),
        "ablation_figure": _effects(found, study),
        "assays": accounts.assay_rows(evidence.assays),
        "seal": accounts.seal_text(evidence),
        "beliefs": accounts.belief_rows(judgement),
        "belief_rule": RULE,
        "costs": accounts.cost_rows(evidence.cost),
        "earlier": evidence.provenance.get("earlier_verdicts") or [],
        "judgement": judgement,
        "advice": _ADVICE[str(judgement.verdict)],
        "titles": {arm.name: arm.title for arm in study.arms},
        "arms": arms,
        "nulls_drawn": len(arms) <= _FEW_ARMS,
        "comparison": compared,
        "diagnosis": diagnosis,
        "densities": densities,
        "component_tables": sounds,
        "criteria": [tables.criterion_row(result) for result in judgement.criteria],
        "captions": _CAPTIONS,
        "sections": [
            (name, title)
            for name, title in _SECTIONS
            if {
                "ablations": found,
                "comparison": compared,
                "diagnosis": diagnosis,
                "density": densities,
                "components": sounds,
            }.get(name, True)
        ],
        "figures": _figures(study, evidence, arms, measures, 1 / frame_rate),
        "paces": [
            {
                "arms": own,
                "curves": tables.curve_rows(own, measures, frame_rate),
                "milliseconds": tables.milliseconds(own, measures, frame_rate),
            }
            for own in tables.paced(arms, measures)
        ],
        "end": _end(arms, measures, frame_rate),
        "legend": tables.mode_legend(),
        "injections": tables.injection_rows(arms, measures),
        "sampled": tables.sampled_rows(arms, measures),
        "one_step": {
            arm: tables.one_step_rows(arm, measures, baselines, measures.frame_rate(arm) or frame_rate)
            for arm in arms
        },
        "baselines": baselines,
        "world": evidence.data.get("world") or {},
        "optimum": [] if study.compares else tables.optimum_rows(evidence, arms, measures),
        "settings": tables.settings_rows(evidence.arms),
        "budgets": tables.budget_rows(evidence.arms),
        "decodable": decodable(evidence),
        "exhibits": [_exhibit(exhibit) for exhibit in evidence.exhibits],
        "data": [row for own in (data, *evidence.other_data) for row in tables.flat_rows(own)],
        "provenance": tables.flat_rows({**provenance, "criteria_hash": judgement.criteria_hash}),
        "command": evidence.provenance.get("command", ""),
        "representation": ", ".join(_representations(evidence)),
        "smoke": bool(evidence.provenance.get("smoke")),
        "started": evidence.provenance.get("started", ""),
    }


def _figures(
    study: Study, evidence: Evidence, arms: list[str], measures: Measures, frame_seconds: float
) -> dict[str, Markup]:
    optimum = {} if study.compares else (evidence.data.get("world") or {}).get("optimum") or {}
    primary = study.primary
    levels = ((primary.success, "success above"), (primary.failure, "failure below"))
    drawn = {
        name: rollout_figure(
            f"rollout-{name}",
            _lines(arms, name, measures),
            ylabel=ylabel,
            description=_description(title, name, arms, measures),
            frame_seconds=frame_seconds,
            optimum=optimum.get(name),
            bounds=bounds,
            levels=levels if primary.metric.startswith(f"{name}@") else (),
        )
        for name, title, ylabel, bounds in (
            ("cos", "Direction cosine", "cos@k, direction", (-1.0, 1.0)),
            ("magnitude_ratio", "Magnitude ratio", "magnitude ratio@k", (0.0, math.inf)),
        )
    }
    objectives = {arm: [e.objective for e in evidence.arms[arm].explored] for arm in arms}
    ended = {arm: [e for e in evidence.arms[arm].explored if e.status == LaneStatus.FINISHED] for arm in arms}
    best = {
        arm: max((e.objective for e in own if e.objective is not None), default=None)
        for arm, own in ended.items()
    }
    said = "; ".join(
        f"{arm}: {len(objectives[arm])} configurations, best {_plain(best[arm])}" for arm in arms
    )
    drawn["search"] = search_figure(
        "search",
        objectives,
        ylabel=f"{study.objective}, validation speakers",
        description=f"Objective of every configuration explored, in order, and the best so far. {said}.",
    )
    return {name: Markup(svg) for name, svg in drawn.items()}


def _places(arms: list[str], measures: Measures) -> list[list[float] | None]:
    """Where each arm's steps stand in steps of the first, if they differ in length."""
    rates = [measures.frame_rate(arm) for arm in arms]
    first = next((rate for rate in rates if rate), None)
    return [
        None
        if not rate or rate == first
        else [k * (first or rate) / rate for k in range(1, measures.horizon(arm) + 1)]
        for arm, rate in zip(arms, rates, strict=True)
    ]


def _end(arms: list[str], measures: Measures, frame_rate: float) -> str:
    """Where rollouts end, as tables head a column: the step where all arms have the same, else the time."""
    alive = [arm for arm in arms if measures.horizon(arm)]
    if len({measures.horizon(arm) for arm in alive}) < 2:
        return f"@{measures.horizon()}"
    return f" at {tables.milliseconds(alive[:1], measures, frame_rate)[-1]} ms"


def _effects(found: list[Effect], study: Study) -> Markup:
    rows = [(" + ".join(e.components), e.effect) for e in found if e.effect is not None]
    if not rows:
        return Markup("")
    said = "; ".join(f"{name}: {tables.shown(effect)}" for name, effect in rows)
    drawn = effects_figure(
        "ablation",
        rows,
        xlabel=f"{study.primary.metric} of {study.primary.arm}: with minus without",
        description=f"What each component is worth, the most useful first. {said}.",
    )
    return Markup(drawn)


def _lines(arms: list[str], name: str, measures: Measures) -> list[Line]:
    places = _places(arms, measures)
    real = [Line(arm, i, measures.curve(arm, name), at=places[i]) for i, arm in enumerate(arms)]
    nulls = [
        Line(
            f"{arm}, shuffled frames", i, measures.curve(arm, name, Surrogate.WHITE), null=True, at=places[i]
        )
        for i, arm in enumerate(arms)
        if measures.finished(arm, Surrogate.WHITE)
    ]
    return [*real, *nulls] if len(arms) <= _FEW_ARMS else real


def _description(title: str, name: str, arms: list[str], measures: Measures) -> str:
    ends = [
        f"{arm}: {tables.shown(measures.value(arm, f'{name}@1'))} at the first step, "
        f"{tables.shown(measures.value(arm, f'{name}@{last}'))} at step {last}"
        for arm in arms
        if (last := measures.horizon(arm))
    ]
    return f"{title} over the steps of the rollout, with bands. {'; '.join(ends) or 'Nothing was measured'}."


def _plain(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _each(
    found: Mapping[str, Any], context: Callable[..., dict[str, Any] | None], level: float, name: str
) -> list[dict[str, Any]]:
    """A part of the page for each representation; the first has the plain id."""
    parts: list[dict[str, Any]] = []
    for representation, own in found.items():
        told = context(own, level, f"{name}-{len(parts) + 1}" if parts else name)
        if told is not None:
            parts.append({**told, "of": representation if len(found) > 1 else ""})
    return parts


def _representations(evidence: Evidence) -> list[str]:
    return [data.get("representation", "unnamed data") for data in (evidence.data, *evidence.other_data)]


def _exhibit(exhibit: Exhibit) -> dict[str, Any]:
    clips = {
        name: Markup("data:audio/wav;base64," + base64.b64encode(clip).decode())
        for name, clip in exhibit.clips.items()
    }
    return {
        "utterance": exhibit.utterance_id,
        "speaker": exhibit.speaker_id,
        "context": f"{exhibit.context_seconds:.2f}",
        "clips": clips,
    }
