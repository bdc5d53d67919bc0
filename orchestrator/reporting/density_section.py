"""The density of frames in a report: a sentence per arm, a table, and the curve along rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import Line, rollout_figure
from orchestrator.reporting.frame_densities import DENSITY, SHARES, Densities
from orchestrator.reporting.page_section import Section, each_representation
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number
from trainables.analysis.frame_likelihoods import TRUE
from trainables.predictor.scores import Scores

_MOST = 0.5  # share of states off the manifold above which a rollout has left it, as the study manifold asks


def density_section(records: Mapping[str, Mapping[str, Any]], level: float) -> Section | None:
    """The densities of every representation; None where nothing was measured."""
    parts = each_representation(records, density_context, level, "density")
    return Section("density", "likely frames", "density.html", {"densities": parts}) if parts else None


def density_context(
    record: Mapping[str, Any], level: float = 0.95, anchor: str = "density"
) -> dict[str, Any] | None:
    """What ``density.html`` shows of one representation; None where nothing was measured.

    ``record`` is what :func:`orchestrator.inspection.frame_density.densities` gave; ``anchor`` tells the ids
    of this part from those of others on the page.
    """
    if not record:
        return None
    densities = Densities(record, level)
    step_ms = 1e3 / float(record["frame_rate"])
    sentences = [_sentence(densities, arm, step_ms) for arm in densities.arms]
    return {
        "sentences": [sentence for sentence in sentences if sentence],
        "flow": _flow_gain(densities),
        "rows": _rows(densities, step_ms),
        "noise": f"{record['noise']:g}",
        "off": f"{100 * record['off']:g}",
        "figure": Markup(_figure(densities, anchor, step_ms / 1e3)),
        "id": anchor,
        "level": f"{100 * level:.3g}",
    }


def _flow_gain(densities: Densities) -> str:
    """How much better the flow is than a Gaussian on held-out frames, as text."""
    true = densities.frames["true"]
    return interval_text(densities.difference(true, DENSITY, true, f"gaussian_{DENSITY}"))


def _sentence(densities: Densities, arm: str, step_ms: float) -> str:
    """How likely an arm's states are at the last step, and what follows for score-based correction; empty
    where that was not measured.
    """
    last = densities.horizon()
    lost, noise = densities.loss(arm, last), densities.noise_loss()
    if lost is None or noise is None:
        return ""
    reached = f"{arm}: after {last} steps ({last * step_ms:.0f} ms) rolled-out states are"
    return f"{reached} {_judged(densities, arm, lost, noise)} {_unlikely_places(densities, arm, last)}"


def _judged(densities: Densities, arm: str, lost: Interval, noise: Interval) -> str:
    measure = f"{interval_text(lost)} nats per frame against true frames at the same times"
    scale = f"noise of {densities.noise:g} standard deviations costs true frames {number(-noise.estimate)}"
    off = densities.of(densities.arms[arm], f"{SHARES[0]}@{densities.horizon()}")
    if off is not None and off.low > _MOST:
        return (
            f"off the manifold: {100 * off.estimate:.0f} % are less likely than the least likely "
            f"{100 * densities.off:g} % of true frames, {measure}; {scale}. "
            "Score-based correction could help."
        )
    if lost.low > 0:
        return (
            f"likelier than true frames, {measure}: they have drawn in towards the mean of all frames "
            f"({number(densities.mean_frame)} nats). Score-based correction would raise a likelihood that "
            "they do not lack: it is not what they need."
        )
    if not lost.high < 0:
        return (
            f"neither clearly likelier nor clearly less likely than true frames, {measure}; {scale}. "
            "Likelihood gives no sign that score-based correction has anything to correct."
        )
    if lost.high < noise.estimate:
        return (
            f"much less likely than true frames, {measure}; {scale}. They have left the manifold, and "
            "score-based correction could help."
        )
    if lost.low > noise.estimate:
        return (
            f"less likely than true frames, {measure}, but not by as much as a little noise ({scale}). "
            "There is little for score-based correction to gain."
        )
    return (
        f"less likely than true frames, {measure}, about as much as with a little noise ({scale}). "
        "Score-based correction could help, but not by much."
    )


def _unlikely_places(densities: Densities, arm: str, k: int) -> str:
    """How many states are unlikely for where they are."""
    metric = f"{SHARES[1]}@{k}"
    states, true = densities.of(densities.arms[arm], metric), densities.of(densities.arms[arm], TRUE + metric)
    if states is None or true is None:
        return ""
    return (
        f"{100 * states.estimate:.0f} % of them lie where, as far from the mean as they are, there is "
        f"hardly a true frame ({100 * true.estimate:.0f} % of true frames do)."
    )


def _rows(densities: Densities, step_ms: float) -> list[TableRow]:
    """The table of densities: which frames, their log density, the same less that of true frames, under
    the Gaussian, and shares off the manifold.
    """
    true = densities.frames["true"]
    rows = [_row(densities, "true frames, all", true, "", None)]
    if densities.codec:
        before, again = densities.codec["before"], densities.codec["again"]
        rows.append(_row(densities, "true frames, of the clips", before, "", None))
        rows.append(_row(densities, "the same, decoded and encoded again", again, "", before))
    noisy = f"true frames + noise of {densities.noise:g} standard deviations"
    rows.append(_row(densities, noisy, densities.frames["noise"], "", true))
    rows.append(_row(densities, "halfway between two true frames", densities.frames["mixed"], "", true))
    for arm, lanes in densities.arms.items():
        for k in sorted({1, densities.horizon()}):
            label = f"{arm}, step {k} ({k * step_ms:.0f} ms)"
            rows.append(_row(densities, label, lanes, f"@{k}", lanes, TRUE))
    dashes = [NO_VALUE] * (len(rows[0]) - 2)
    rows.append(["the mean of all frames", number(densities.mean_frame), *dashes])
    return rows


def _row(
    densities: Densities,
    label: str,
    lanes: Sequence[Scores],
    at: str,
    true: Sequence[Scores] | None,
    prefix: str = "",
) -> TableRow:
    lost = None if true is None else densities.difference(lanes, DENSITY + at, true, prefix + DENSITY + at)
    figures = [densities.of(lanes, metric + at) for metric in (f"gaussian_{DENSITY}", *SHARES)]
    return [label, *map(interval_text, (densities.of(lanes, DENSITY + at), lost, *figures))]


def _figure(densities: Densities, name: str, frame_seconds: float) -> str:
    """Log density along rollouts, beside that of true frames and of spoilt ones."""
    names, steps = list(densities.arms), range(1, densities.horizon() + 1)
    lines = [
        Line(arm, i, [densities.of(densities.arms[arm], f"{DENSITY}@{k}") for k in steps])
        for i, arm in enumerate(names)
    ]
    if names:
        true = [densities.of(densities.arms[names[0]], f"{TRUE}{DENSITY}@{k}") for k in steps]
        lines.append(Line("true frames", len(names), true))
    noise = densities.of(densities.frames["noise"], DENSITY)
    levels = [] if noise is None else [(noise.estimate, f"true frames + {densities.noise:g} std noise")]
    ends = "; ".join(
        f"{line.label}: {interval_text(line.points[0])} at the first step, "
        f"{interval_text(line.points[-1])} at the last"
        for line in lines
        if line.points
    )
    return rollout_figure(
        name,
        lines,
        ylabel="log density, nats per frame",
        frame_seconds=frame_seconds,
        levels=levels,
        description=f"Log density of states over the steps of the rollout, with bands. {ends}.",
    )
