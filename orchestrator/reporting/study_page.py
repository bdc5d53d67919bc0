"""The report of a sweep: one self-contained page, verdict first, and the same verdict for machines.

The page loads nothing from anywhere: styles, figures and sound are inside it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Evidence
from orchestrator.reporting.ablation_section import ablation_section
from orchestrator.reporting.criteria_section import criteria_section
from orchestrator.reporting.density_section import density_section
from orchestrator.reporting.diagnosis_section import diagnosis_section
from orchestrator.reporting.glossary import terms_on
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.mixture_section import mixture_section
from orchestrator.reporting.one_step_section import one_step_section
from orchestrator.reporting.page_section import Section
from orchestrator.reporting.ranking_section import ranking_section
from orchestrator.reporting.representation_section import representation_section
from orchestrator.reporting.rollout_figures import rollout_curves
from orchestrator.reporting.rollout_section import rollout_section
from orchestrator.reporting.run_sections import (
    cost_section,
    listening_section,
    provenance_section,
    question_section,
)
from orchestrator.reporting.search_section import search_section
from orchestrator.reporting.study_markdown import markdown
from orchestrator.reporting.templating import render
from orchestrator.reporting.trainable_pages import trainable_sections
from orchestrator.reporting.training_section import training_section
from orchestrator.reporting.trust_section import trust_section
from orchestrator.reporting.verdict_header import lead_curve, ranking_leads, verdict_header
from orchestrator.runtime.atomic_files import write_atomically
from search_spaces.study import Study


def write_report(
    folder: Path, study: Study, evidence: Evidence, judgement: Judgement
) -> tuple[Path, Path, Path]:
    """Write ``report.html``, ``report.md`` and ``verdict.json`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    run = JudgedRun(study, evidence, judgement)
    written = {
        "report.html": page(run),
        "verdict.json": json.dumps(verdict_record(run), indent=1, ensure_ascii=False, allow_nan=False),
        "report.md": markdown(study, evidence, judgement, run.effects, run.ranking),
    }
    for name, text in written.items():
        write_atomically(folder / name, text)
    return folder / "report.html", folder / "report.md", folder / "verdict.json"


def page(run: JudgedRun) -> str:
    """The report of a judged run as HTML."""
    curves = rollout_curves(run) if run.forecasts else {}
    sections = [
        question_section(run),
        criteria_section(run),
        ranking_section(run, drawn=not ranking_leads(run)),
        *trainable_sections(run),
        training_section(run),
        representation_section(run),
        rollout_section(run, curves, lead_curve(run)),
        one_step_section(run),
        ablation_section(run),
        diagnosis_section(run.evidence.diagnoses),
        search_section(run),
        density_section(run.evidence.densities, run.judgement.level),
        mixture_section(run.evidence.components, run.judgement.level),
        listening_section(run),
        trust_section(run),
        cost_section(run),
        provenance_section(run),
    ]
    shown = [section for section in sections if section is not None]
    header = Section("verdict", "verdict", "verdict.html", verdict_header(run, curves))
    terms = terms_on("".join(section.html for section in (header, *shown)))
    shown.append(Section("glossary", "terms", "glossary.html", {"terms": terms}))
    title = f"{run.judgement.verdict} · {run.study.name}"
    return render("study.html", title=title, header=header.html, sections=shown)


def verdict_record(run: JudgedRun) -> dict[str, Any]:
    """The verdict for programs, with the study as it was declared and the hashes of what it rests on."""
    evidence, judgement = run.evidence, run.judgement
    hashes = {
        "criteria": judgement.criteria_hash,
        "data": evidence.data_hash,
        "git_commit": evidence.provenance.get("git_commit"),
        "seal": judgement.seal,
    }
    return {
        **judgement.to_json(),
        "ranking": [place.to_json() for place in run.ranking],
        "ablations": [effect.to_json() for effect in run.effects],
        "assays": [asdict(assay) for assay in evidence.assays],
        "cost": evidence.cost,
        "hashes": hashes,
        "declared": asdict(run.study),
        "command": evidence.provenance.get("command", ""),
    }
