"""Readouts in a report: what gets through a bottleneck, beside closed forms, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.records.evidence import Replicate
from orchestrator.reporting.cell_text import TableRow, interval_text
from orchestrator.reporting.figures import heat_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import number
from trainables.analysis.readout_references import RANKED, WHOLE
from trainables.analysis.readout_settings import DIVISORS, INFORMATION_READ, LINEAR
from trainables.latents.batching.surrogates import SURROGATES

READOUT_KIND = "readout"  # the trainable
_MOST_SHOWN = 12  # coordinates of a readout in the picture


def readout_section(run: JudgedRun) -> Section | None:
    """What was read, beside references and surrogates; None where nothing was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == READOUT_KIND]
    linear = [arm for arm in arms if run.evidence.arms[arm].config.structure.readout == LINEAR]
    others = [arm for arm in arms if arm not in linear]
    if not linear or not others:
        return None
    content = {
        "columns": ["Encoder", *(f"D/{divisor}" for divisor in DIVISORS)],
        "ranks": rank_rows(run, [*linear, *others], linear[0]),
        "wholes": _whole_rows(run, linear[0]),
        "frames": frame_rows(run, linear[0], others[0]),
        "picture": readout_map(run.evidence.arms[linear[0]].replicates),
        "level": run.level,
    }
    return Section("readout", "what is read", "readout.html", content)


def rank_rows(run: JudgedRun, arms: Sequence[str], linear: str) -> list[TableRow]:
    """Information through each size of the bottleneck: of trained arms, then of closed forms."""
    rows = [
        [arm, *(interval_text(run.measures.value(arm, f"{INFORMATION_READ}_{d}")) for d in DIVISORS)]
        for arm in arms
    ]
    for name, title in RANKED.items():
        found = [run.measures.value(linear, f"{INFORMATION_READ}_of_{name}_{d}") for d in DIVISORS]
        if any(found):
            rows.append([title, *map(interval_text, found)])
    return rows


def frame_rows(run: JudgedRun, linear: str, nonlinear: str) -> list[TableRow]:
    """The mean over all sizes on real frames and on surrogates, and what bending gains there."""
    rows = [
        [arm, *(interval_text(run.measures.value(arm, INFORMATION_READ, surrogate=s)) for s in SURROGATES)]
        for arm in (linear, nonlinear)
    ]
    gains = [
        run.measures.value(nonlinear, INFORMATION_READ, versus=linear, surrogate=surrogate)
        for surrogate in SURROGATES
    ]
    return [*rows, [f"{nonlinear} minus {linear}", *map(interval_text, gains)]]


def readout_map(replicates: Sequence[Replicate]) -> Markup | None:
    """What the first replicate reads, by latent dimension; None where nothing was drawn."""
    details = next((r.details for r in replicates if r.details.get("loadings")), None)
    if details is None:
        return None
    pairs = list(zip(details["strength"], details["loadings"], strict=True))[:_MOST_SHOWN]
    rows = [
        *(
            (f"coordinate {place} ({number(strength)})", row)
            for place, (strength, row) in enumerate(pairs, 1)
        ),
        ("read, share", details["read"]),
        ("predictable, share", details["predictable"]),
    ]
    best = sorted(range(len(details["predictable"])), key=lambda j: -details["predictable"][j])[:3]
    drawn = heat_figure(
        "readout-map",
        rows,
        xlabel="latent dimension",
        colour_label="correlation",
        description="Most predictable are the latent dimensions "
        + ", ".join(f"{j} ({number(details['predictable'][j])})" for j in best),
    )
    return Markup(drawn)


def _whole_rows(run: JudgedRun, linear: str) -> list[TableRow]:
    found = {title: run.measures.value(linear, f"{INFORMATION_READ}_of_{n}") for n, title in WHOLE.items()}
    return [[title, interval_text(value)] for title, value in found.items() if value is not None]
