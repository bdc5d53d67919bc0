"""The figures of rollouts: direction and magnitude over the steps, with nulls and the best possible."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from orchestrator.reporting.cell_text import interval_text
from orchestrator.reporting.figures import Line, rollout_figure
from orchestrator.reporting.judged_run import JudgedRun
from trainables.latents.batching.surrogates import Surrogate

CAPTIONS = {
    "cos": "cos@k: the cosine between the predicted and the true step, k steps into the rollout, in which "
    "the model runs on from its own predictions. 1 is the right direction, 0 no better than a random one.",
    "magnitude_ratio": "Magnitude ratio@k: the length of the predicted step over that of the true one. 1 is "
    "right, 0 stands still.",
}
ROLLOUT_CURVES = (  # metric, title, label of its axis, the values that it can take
    ("cos", "Direction cosine", "cos@k, direction", (-1.0, 1.0)),
    ("magnitude_ratio", "Magnitude ratio", "magnitude ratio@k", (0.0, math.inf)),
)
_FEW_ARMS = 4  # more would hide each other's nulls in a figure; the tables have them


def rollout_curves(run: JudgedRun) -> dict[str, Markup]:
    """The figures of the rollout, by metric."""
    deciding, optimum = run.judgement.decisive.criterion, known_optimum(run)
    levels = ((deciding.success, "success above"), (deciding.failure, "failure below"))
    return {
        name: Markup(
            rollout_figure(
                f"rollout-{name}",
                _lines(name, run),
                ylabel=label,
                description=_description(title, name, run),
                frame_seconds=1 / run.frame_rate,
                optimum=optimum.get(name),
                bounds=bounds,
                levels=levels if deciding.metric.startswith(f"{name}@") else (),
            )
        )
        for name, title, label, bounds in ROLLOUT_CURVES
    }


def draws_nulls(run: JudgedRun) -> bool:
    """Whether the figures show the nulls of the arms too."""
    return 0 < len(run.arms) <= _FEW_ARMS


def known_optimum(run: JudgedRun) -> dict[str, Any]:
    """What the best predictor would score; empty where that is not known, or differs between arms."""
    return {} if run.study.compares else (run.evidence.data.get("world") or {}).get("optimum") or {}


def _lines(name: str, run: JudgedRun) -> list[Line]:
    arms, measures, places = run.arms, run.measures, _places(run)
    real = [Line(arm, i, measures.curve(arm, name), at=places[i]) for i, arm in enumerate(arms)]
    nulls = [
        Line(
            f"{arm}, shuffled frames", i, measures.curve(arm, name, Surrogate.WHITE), null=True, at=places[i]
        )
        for i, arm in enumerate(arms)
        if measures.finished(arm, Surrogate.WHITE)
    ]
    ridge = (
        [measures.ridge(arms[0], f"{name}@{k}") for k in range(1, measures.horizon(arms[0]) + 1)]
        if arms
        else []
    )
    known = [Line("ridge", len(arms), ridge, null=True)] if any(ridge) and not run.study.compares else []
    return [*real, *nulls, *known] if draws_nulls(run) else [*real, *known]


def _places(run: JudgedRun) -> list[list[float] | None]:
    """Where each arm's steps stand in steps of the first, if they differ in length."""
    rates = [run.measures.frame_rate(arm) for arm in run.arms]
    first = next((rate for rate in rates if rate), None)
    return [
        None
        if not rate or rate == first
        else [k * (first or rate) / rate for k in range(1, run.measures.horizon(arm) + 1)]
        for arm, rate in zip(run.arms, rates, strict=True)
    ]


def _description(title: str, name: str, run: JudgedRun) -> str:
    ends = [
        f"{arm}: {interval_text(run.measures.value(arm, f'{name}@1'))} at the first step, "
        f"{interval_text(run.measures.value(arm, f'{name}@{last}'))} at step {last}"
        for arm in run.arms
        if (last := run.measures.horizon(arm))
    ]
    return f"{title} over the steps of the rollout, with bands. {'; '.join(ends) or 'Nothing was measured'}."
