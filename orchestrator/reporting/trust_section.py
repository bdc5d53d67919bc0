"""Why a verdict can be trusted: control worlds, the seal, earlier looks, and what belief it leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence

from orchestrator.records.evidence import Assay
from orchestrator.reporting.cell_text import TableRow
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.beliefs import RULE


def trust_section(run: JudgedRun) -> Section:
    """What guards the verdict against error and against wishful reading."""
    evidence, judgement = run.evidence, run.judgement
    content = {
        "assays": assay_rows(evidence.assays),
        "seal_hash": judgement.seal,
        "sealed_plan": json.dumps(evidence.seal, indent=1, ensure_ascii=False) if evidence.seal else "",
        "earlier": evidence.provenance.get("earlier_verdicts") or [],
        "looked_at": bool(run.arms),
        "prior": f"{judgement.prior:.2f}",
        "posterior": f"{judgement.posterior:.2f}",
        "belief_rule": RULE,
        "exclusions": run.study.exclusions,
    }
    return Section("trust", "why trust it", "trust.html", content)


def assay_rows(assays: Sequence[Assay]) -> list[TableRow]:
    """World, the answer it has, the one it got, whether they agree, why, and the folder of its run."""
    return [
        [a.world, a.expected, a.verdict, "as it should be" if a.passed else "MISREAD", a.reason, a.run]
        for a in assays
    ]
