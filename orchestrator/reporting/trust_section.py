"""Why a verdict can be trusted: control worlds, the seal, earlier looks, and what belief it leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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
        "plants": plant_sentences(run),
        "seal_hash": judgement.seal,
        "sealed_plan": json.dumps(evidence.seal, indent=1, ensure_ascii=False) if evidence.seal else "",
        "earlier": _earlier_verdicts(run),
        "after_the_fact": judgement.after_the_fact,
        "looked_at": bool(run.arms),
        "prior": f"{judgement.prior:.2f}",
        "posterior": f"{judgement.posterior:.2f}",
        "belief_rule": RULE,
        "exclusions": run.study.exclusions,
    }
    return Section("trust", "can it be trusted", "trust.html", content)


def trust_checks(run: JudgedRun) -> dict[str, Any]:
    """The checks of a verdict in brief: whether a plan was sealed, how many control worlds were read as they
    should be, of how many, and what the arms made of the plants.

    ``earlier_looks`` is how often the study had looked at its test speakers before, None where it did not
    look at them at all.
    """
    evidence = run.evidence
    return {
        "sealed": bool(evidence.seal),
        "plants": plant_sentences(run),
        "worlds": len(evidence.assays),
        "worlds_read": sum(assay.passed for assay in evidence.assays),
        "earlier_looks": len(_earlier_verdicts(run)) if run.arms else None,
    }


def plant_sentences(run: JudgedRun) -> list[str]:
    """What each arm made of the plants, a sentence each; those of a smoke run would mean nothing."""
    return [] if run.judgement.smoke else [reading.sentence for reading in run.judgement.plants]


def assay_rows(assays: Sequence[Assay]) -> list[TableRow]:
    """The table of control worlds: world, the answer it has, the one it got, whether they agree, why, and the
    folder of its run.
    """
    return [
        [a.world, a.expected, a.verdict, "as it should be" if a.passed else "MISREAD", a.reason, a.run]
        for a in assays
    ]


def _earlier_verdicts(run: JudgedRun) -> list[str]:
    """The verdicts of runs that put the same study to the same test speakers before."""
    return run.evidence.provenance.get("earlier_verdicts") or []
