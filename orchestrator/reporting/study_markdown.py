"""The report as Markdown: for a tracking server's page, a pull request, a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.judging.ablation_effects import Effect
from orchestrator.judging.ranking import RankedArm
from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Evidence
from orchestrator.reporting.ablation_section import ablation_columns, ablation_rows, ablation_warning
from orchestrator.reporting.criteria_section import criterion_row
from orchestrator.reporting.glossary import GLOSSARY
from orchestrator.reporting.machine_agreement_rows import AGREEMENT_COLUMNS, AGREEMENT_NOTE, agreement_rows
from orchestrator.reporting.ranking_section import RANKING_COLUMNS, ranking_rows, undecided_in_words
from orchestrator.reporting.run_sections import cost_rows
from orchestrator.reporting.search_reliability import reliability_sentences
from orchestrator.reporting.trust_section import assay_rows
from orchestrator.reporting.verdict_header import deciding_figure
from orchestrator.runtime.markdown_text import as_block, as_code, as_table, as_text
from orchestrator.statistics.beliefs import RULE
from orchestrator.statistics.wording import spoken
from search_spaces.study import Plant, Study

FORCED = "Forced: it was run although its gate on the roadmap was not open: {}."
_COLUMNS = ("name", "role", "metric", "outcome", "estimate", "success", "failure", "null", "p")
_TERMS = (
    "arm",
    "rollout",
    "cos@k",
    "magnitude ratio@k",
    "predictive information",
    "null",
    "plant",
)  # and in tables
_CRITERIA_NOTE = (
    "The primary criterion decides, a required one must hold as well, a reported one decides nothing. Each "
    "is decided by its whole interval, in brackets behind the estimate: {level} %, over test speakers and "
    "seeds. "
    "Null: the same model on shuffled frames, or on a Gaussian copy of the data{planted}. p is corrected by "
    "Holm's rule for the number of reported criteria."
)
_PLANTED = ", and on planted frames whose direction is kept, or lost"


def markdown(
    study: Study,
    evidence: Evidence,
    judgement: Judgement,
    effects: Sequence[Effect] = (),
    ranked: Sequence[RankedArm] = (),
) -> str:
    """Verdict first, then the figure that decided, what follows, and everything that stands behind it."""
    rows = [[criterion_row(result)[column] for column in _COLUMNS] for result in judgement.criteria]
    parts = [
        f"# {judgement.verdict}",
        *([as_text(FORCED.format(judgement.forced))] if judgement.forced else []),
        *([f"**{as_text(judgement.after_the_fact.capitalize())}.**"] if judgement.after_the_fact else []),
        as_text(judgement.reason),
        f"**What follows:** {as_text(judgement.follows)}",
        f"**Put to the test:** {as_text(study.hypothesis)}",
        _figure_line(deciding_figure(judgement.decisive)),
        f"**Belief in the hypothesis:** {judgement.prior:.2f} before the run, {judgement.posterior:.2f} "
        f"after it. {RULE}",
        *(
            ["## What is missing for more", "\n".join(f"- {as_text(s)}" for s in judgement.missing)]
            * bool(judgement.missing)
        ),
        "## Criteria",
        as_table(_COLUMNS, rows),
        _CRITERIA_NOTE.format(
            level=f"{100 * judgement.level:.3g}", planted="" if study.plant is Plant.NONE else _PLANTED
        ),
    ]
    if ranked:
        parts += [
            f"## All arms in order of {spoken(study.primary.metric)}",
            as_text(undecided_in_words(ranked)),
            as_table(RANKING_COLUMNS, ranking_rows(ranked)),
        ]
    if judgement.plants and not evidence.provenance.get("smoke"):
        parts += ["## Plants", " ".join(as_text(reading.sentence) for reading in judgement.plants)]
    if effects:
        parts += [
            "## Ablations",
            as_table(ablation_columns(study), ablation_rows(effects)),
            as_text(ablation_warning(effects, study.primary.metric)),
        ]
    if agreement := agreement_rows(evidence.ratings):
        parts += ["## Machines and listeners", AGREEMENT_NOTE, as_table(AGREEMENT_COLUMNS, agreement)]
    if evidence.assays:
        columns = ("world", "its answer", "read as", "", "why", "run")
        parts += [
            "## Control worlds",
            "Made data whose answer is known, judged by the same code.",
            as_table(columns, assay_rows(evidence.assays)),
        ]
    if evidence.search:
        searched = [f"- {as_text(sentence)}" for sentence in reliability_sentences(evidence.search)]
        parts += ["## The search", "\n".join(searched)]
    parts += [
        "## Cost",
        as_table(("", "planned", "spent"), cost_rows(evidence.cost)),
        "## Provenance",
        f"Sealed plan {as_code(judgement.seal or 'none')}, code "
        f"{as_code(_provenance(evidence, 'code'))}, data {as_code(evidence.data_hash)}. To run it again:",
        as_block(_provenance(evidence, "command")),
        "## Terms",
        "\n".join(f"- **{term}**: {GLOSSARY[term]}" for term in _TERMS),
        "Everything is in `report.html`; `verdict.json` is the verdict for programs.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _provenance(evidence: Evidence, name: str) -> str:
    return str(evidence.provenance.get(name, ""))


def _figure_line(figure: Mapping[str, str]) -> str:
    value = " ".join(filter(None, (figure["value"], figure["interval"], figure["measured_in"])))
    null = f"shuffled frames give {figure['null']}" if figure["null"] else ""
    notes = "; ".join(filter(None, (figure["units"], figure["thresholds"], null)))
    return as_text(f"**{figure['metric']} of {figure['arms']}: {value}** ({notes})")
