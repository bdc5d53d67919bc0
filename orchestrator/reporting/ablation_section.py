"""Ablations in a report: what each component of the winner is worth."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.judging.ablation_effects import Effect, blind_spots
from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import spoken
from search_spaces.study import Study


def ablation_section(run: JudgedRun) -> Section | None:
    """The effects of ablations as a figure and as a table; None where nothing was taken out."""
    if not run.effects:
        return None
    content = {
        "arm": run.study.primary.arm,
        "metric": run.study.primary.metric,
        "columns": ablation_columns(run.study),
        "rows": ablation_rows(run.effects),
        "warning": ablation_warning(run.effects, run.study.primary.metric),
        "figure": _figure(run.effects, run.study),
        "level": run.level,
    }
    return Section("ablations", "ablations", "ablations.html", content)


def ablation_columns(study: Study) -> tuple[str, ...]:
    """The headings of :func:`ablation_rows`."""
    metric = study.primary.metric
    return ("without", "in its place", metric, study.objective, f"{metric}, planted frames", "reading")


def ablation_rows(effects: Sequence[Effect]) -> list[TableRow]:
    """The table of ablations: component, what stood in for it, its effects, and how to read them; the most
    useful first.
    """
    return [
        [_name(e), _stand_in(e), *map(interval_text, (e.effect, e.graded, e.planted)), e.sentence]
        for e in effects
    ]


def ablation_warning(effects: Sequence[Effect], metric: str) -> str:
    """Whether the harm that is known was seen, and what that says of the other effects; empty where none is
    known.
    """
    checks = {_name(e): e for e in effects if e.known_harm and e.effect is not None}
    missed = blind_spots(effects)
    if not checks:
        return ""
    if not missed:
        return (
            f"A check of the instrument: leaving out {', '.join(checks)} does known harm, and that was seen."
        )
    blind = f"Taking out {', '.join(missed)} is known to do harm, which real frames did not show"
    if all(checks[name].seen_on_plant for name in missed):
        return (
            f"{blind}, but planted frames did, in which there is a direction to lose. Read there what the "
            f"parts are worth: on real frames a small effect means no more than that {spoken(metric)} has "
            "nothing to lose."
        )
    planted = any(checks[name].planted is not None for name in missed)
    return f"{blind}{', and planted frames neither' * planted}: do not trust the small effects above."


def _figure(effects: Sequence[Effect], study: Study) -> Markup:
    rows = [(_name(e), e.effect) for e in effects if e.effect is not None]
    if not rows:
        return Markup("")
    listed = "; ".join(f"{name}: {interval_text(effect)}" for name, effect in rows)
    drawn = effects_figure(
        "ablation",
        rows,
        xlabel=f"{study.primary.metric} of {study.primary.arm}: with minus without",
        description=f"What each component is worth, the most useful first. {listed}.",
    )
    return Markup(drawn)


def _name(effect: Effect) -> str:
    return " + ".join(effect.components)


def _stand_in(effect: Effect) -> str:
    neutral = ", ".join(f"{name} = {value}" for name, value in effect.neutral.items())
    given = ", ".join(f"{name} = {value}" for name, value in effect.given.items())
    return f"{neutral} (both sides under {given})" if given else neutral
