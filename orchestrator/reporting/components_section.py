"""What a mixture's components say of sound in a report: beside nulls, and labels that no mixture gave."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.records.evidence import Replicate
from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from trainables.analysis.archetype_acoustics import FEATURES
from trainables.latents.batching.surrogates import SURROGATES, Surrogate

COMPONENTS_KIND = "components"  # the trainable
_LABELS = {
    "component": "component that made the step (responsibility)",
    "gating": "component that was expected before it (gating)",
    "magnitude": "as many quantiles of the step's size",
    "clusters": "as many clusters of directions",
    "random": "the nearest of as many random directions",
}
_TRAINED = ("component", "gating")
_USED = {
    "components_used": "components that make steps (exp of the entropy of their shares)",
    "gating_used": "components that are expected",
}
_LEARNT_ON = {
    Surrogate.REAL: "learnt on real frames",
    Surrogate.WHITE: "on shuffled frames",
    Surrogate.GAUSSIAN: "on the Gaussian copy",
}


def components_section(run: JudgedRun) -> Section | None:
    """What components say, for the first arm that was asked; None where nothing was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == COMPONENTS_KIND]
    if not arms or not (labels := label_rows(run, arms[0])):
        return None
    arm = arms[0]
    evidence = run.evidence.arms[arm]
    content = {
        "features": ["What a step is called by", "sum", *(name.replace("_", " ") for name in FEATURES)],
        "labels": labels,
        "frames": learnt_rows(run, arm),
        "learnt_on": ["Figure", *_LEARNT_ON.values()],
        "picture": _picture(run, arm),
        "shares": component_shares(evidence.replicates),
        "count": evidence.config.structure.components,
        "level": run.level,
    }
    return Section("component-information", "what components say", "components.html", content)


def label_rows(run: JudgedRun, arm: str) -> list[TableRow]:
    """Information about each feature by each kind of label; empty where nothing was measured."""
    rows = []
    for labels, title in _LABELS.items():
        metrics = [f"{labels}_information", *(f"{labels}_information_{name}" for name in FEATURES)]
        intervals = [run.measures.value(arm, metric) for metric in metrics]
        if any(intervals):
            rows.append([title, *map(interval_text, intervals)])
    return rows


def learnt_rows(run: JudgedRun, arm: str) -> list[TableRow]:
    """The same of the mixture's labels where it was learnt on real frames and on surrogates, and how many of
    its components are used.
    """
    metrics = {f"{labels}_information": _LABELS[labels] for labels in _TRAINED} | _USED
    return [
        [title, *(interval_text(run.measures.value(arm, metric, surrogate=s)) for s in SURROGATES)]
        for metric, title in metrics.items()
    ]


def component_shares(replicates: Sequence[Replicate]) -> list[TableRow]:
    """The shares of test steps that each component of the first replicate makes, and is expected for."""
    shares = next((r.details["shares"] for r in replicates if r.details.get("shares")), None)
    if shares is None:
        return []
    made, expected = (shares[labels] for labels in _TRAINED)
    pairs = enumerate(zip(made, expected, strict=True), 1)
    return [[str(place), f"{one:.1%}", f"{other:.1%}"] for place, (one, other) in pairs]


def _picture(run: JudgedRun, arm: str) -> Markup | None:
    """Information by every kind of label: of the mixture's also where it was learnt on a surrogate."""
    asked = [
        (f"{labels}, {_LEARNT_ON[frames]}" if labels in _TRAINED else labels, labels, frames)
        for labels in _LABELS
        for frames in (SURROGATES if labels in _TRAINED else (Surrogate.REAL,))
    ]
    values = [
        (title, found)
        for title, labels, frames in asked
        if (found := run.measures.value(arm, f"{labels}_information", surrogate=frames)) is not None
    ]
    if not values:
        return None
    drawn = effects_figure(
        "component-effects",
        values,
        xlabel="information about flux, pitch and energy change, nats per step",
        nulls=[title for title, _, frames in asked if frames is not Surrogate.REAL],
    )
    return Markup(drawn)
