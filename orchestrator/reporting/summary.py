"""The verdict as Markdown, for the top of a tracking server's page."""

from __future__ import annotations

from orchestrator.reporting.tables import criterion_row
from orchestrator.statistics.verdict import Judgement
from search_spaces.study import Study


def markdown(study: Study, judgement: Judgement, report: str) -> str:
    """Verdict first, then its reason, what follows, the criteria, and where the report lies."""
    rows = [criterion_row(result) for result in judgement.criteria]
    columns = ("name", "role", "metric", "outcome", "estimate", "success", "failure", "null")
    table = [
        "| criterion | role | metric | outcome | estimate | success | failure | null |",
        "| --- " * len(columns) + "|",
        *("| " + " | ".join(row[column].replace("|", "\\|") for column in columns) + " |" for row in rows),
    ]
    parts = [
        f"# {judgement.verdict}",
        judgement.reason,
        f"**What follows:** {judgement.consequence}",
        f"**Hypothesis** (prior {judgement.prior:.2f}): {study.hypothesis}",
        "\n".join(table),
        f"Intervals are {100 * judgement.level:.0f} %, over test speakers and seeds.",
        f"Report: `{report}`, also under Artifacts as `report.html`, with `verdict.json` beside it.",
    ]
    return "\n\n".join(parts) + "\n"
