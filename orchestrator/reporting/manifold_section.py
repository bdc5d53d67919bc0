"""Rolled-out states beside true frames in a report: how far their densities are apart, and which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.records.evidence import Replicate
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import spoken
from trainables.latents.batching.surrogates import SURROGATES

MANIFOLD_KIND = "manifold"  # the trainable
_WAYS = ("too_sparse", "too_dense", "too_uniform")
_FIGURES = {
    "density_distance": "distance of log densities from those of true frames, after the last step",
    "density_distance_first": "… after the first step",
    "density_distance_of_true": "… of true frames",
    "too_sparse": "share that is too sparse, less that of true frames",
    "too_dense": "share that is too dense, likewise",
    "too_uniform": "share in between, likewise",
    "classifier_excess": "area under the curve of a classifier, less that of true from true",
    "off_manifold_share": "share less likely than 95 % of true frames",
}


def manifold_section(run: JudgedRun) -> Section | None:
    """Every feedback beside true frames, the deciding one on surrogates too; None where none was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == MANIFOLD_KIND]
    rows = figure_rows(run, arms)
    if not rows:
        return None
    deciding = run.study.primary.arm
    content = {
        "columns": ["Figure", *arms],
        "rows": rows,
        "failures": [[arm, named_failures(run.evidence.arms[arm].replicates)] for arm in arms],
        "picture": _picture(run, arms),
        "deciding": deciding,
        "frames": rows_by_frames(run, deciding),
        "level": run.level,
    }
    return Section("manifold", "states beside frames", "manifold.html", content)


def figure_rows(run: JudgedRun, arms: Sequence[str]) -> list[TableRow]:
    """Every figure of every arm on real frames; those that nobody measured are left out."""
    rows = []
    for metric, title in _FIGURES.items():
        intervals = [run.measures.value(arm, metric) for arm in arms]
        if any(intervals):
            rows.append([title, *map(interval_text, intervals)])
    return rows


def rows_by_frames(run: JudgedRun, arm: str) -> list[TableRow]:
    """Every figure of an arm on real frames and of the same arm trained on each surrogate."""
    return [
        [title, *(interval_text(run.measures.value(arm, metric, surrogate=s)) for s in SURROGATES)]
        for metric, title in _FIGURES.items()
    ]


def named_failures(replicates: Sequence[Replicate]) -> str:
    """What most seeds call the failure, and how many of them do; a dash where none was measured."""
    names = [r.details["failure"] for r in replicates if r.details.get("failure")]
    if not names:
        return NO_VALUE
    ((name, count),) = Counter(names).most_common(1)
    return f"{spoken(name)}, in {count} of {len(names)} seeds"


def _picture(run: JudgedRun, arms: Sequence[str]) -> Markup | None:
    """The shares by which a failure is named, of every arm."""
    values = [
        (f"{arm}: {spoken(way)}", found)
        for arm in arms
        for way in _WAYS
        if (found := run.measures.value(arm, way)) is not None
    ]
    if not values:
        return None
    drawn = effects_figure(
        "failures",
        values,
        xlabel="share of states, less that of true frames",
    )
    return Markup(drawn)
