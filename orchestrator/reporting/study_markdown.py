"""The report as Markdown: for a tracking server's page, a pull request, a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.judging.ablation_effects import Effect
from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Evidence
from orchestrator.reporting import trust_rows as accounts
from orchestrator.reporting.result_rows import criterion_row
from orchestrator.statistics.beliefs import RULE
from search_spaces.study import Role, Study

_COLUMNS = ("name", "role", "metric", "outcome", "estimate", "success", "failure", "null", "p")


def markdown(study: Study, evidence: Evidence, judgement: Judgement, effects: Sequence[Effect] = ()) -> str:
    """Verdict first, then the figure that decided, what follows, and everything that stands behind it."""
    primary = next(r for r in judgement.criteria if r.criterion.role is Role.PRIMARY)
    figure = accounts.deciding(primary)
    rows = [[criterion_row(result)[column] for column in _COLUMNS] for result in judgement.criteria]
    parts = [
        f"# {judgement.verdict}",
        judgement.reason,
        f"**{figure['name']}: {' '.join(filter(None, (figure['value'], figure['interval'])))}** "
        f"({'; '.join(filter(None, (figure['units'], figure['against'])))})",
        f"**What follows:** {judgement.consequence}",
        f"**Hypothesis:** {study.hypothesis}",
        f"**Belief:** {judgement.prior:.2f} before the run, {judgement.posterior:.2f} after it. {RULE}",
        "## Criteria",
        _table(_COLUMNS, rows),
        f"Intervals are {100 * judgement.level:.3g} %, over test speakers and seeds; p is Holm's.",
    ]
    if effects:
        parts += [
            "## Ablations",
            _table(("component", "stands in", "effect", "reading"), accounts.ablation_rows(effects)),
            accounts.ablation_warning(effects, study.primary.metric),
        ]
    if evidence.assays:
        columns = ("world", "its answer", "read as", "", "why", "run")
        parts += ["## Control worlds", _table(columns, accounts.assay_rows(evidence.assays))]
    parts += [
        "## Cost",
        _table(("", "planned", "spent"), accounts.cost_rows(evidence.cost)),
        "## Provenance",
        f"Sealed plan `{judgement.seal or 'none'}`, code `{evidence.provenance.get('code', '')}`, data "
        f"`{evidence.data_hash}`. To run it again:",
        f"    {evidence.provenance.get('command', '')}",
        "Everything is in `report.html`; `verdict.json` says it to programs.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
