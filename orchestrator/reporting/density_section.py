"""The density of frames in a report: a sentence per arm, a table, and the curve along rollouts.

Shapes: R replicates, S speakers, K rollout steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import Line, rollout_figure
from orchestrator.reporting.page_section import Section, each_representation
from orchestrator.statistics.intervals import Interval, difference, interval
from orchestrator.statistics.speaker_cells import Table, from_scores, in_order, paired
from orchestrator.statistics.wording import number
from trainables.analysis.frame_likelihoods import TRUE
from trainables.predictor.scores import Scores

DENSITY, SHARES = "log_density", ("off_manifold", "off_at_its_distance")
_MOST = 0.5  # share of states off the manifold above which a rollout has left it, as the study manifold asks


def density_section(records: Mapping[str, Mapping[str, Any]], level: float) -> Section | None:
    """The densities of every representation; None where nothing was measured."""
    parts = each_representation(records, density_context, level, "density")
    return Section("density", "frames", "density.html", {"densities": parts}) if parts else None


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
    sentences = [densities.sentence(arm, step_ms) for arm in densities.arms]
    return {
        "sentences": [sentence for sentence in sentences if sentence],
        "flow": densities.gain(),
        "rows": densities.rows(step_ms),
        "noise": f"{record['noise']:g}",
        "off": f"{100 * record['off']:g}",
        "figure": Markup(densities.figure(anchor, step_ms / 1e3)),
        "id": anchor,
        "level": f"{100 * level:.3g}",
    }


class Densities:
    """Intervals over speakers, and over seeds where a quantity has them."""

    def __init__(self, record: Mapping[str, Any], level: float = 0.95) -> None:
        self.level, self.noise, self.off = level, record["noise"], record["off"]
        self.mean_frame = float(record["mean_frame"])
        self.frames = {kind: [Scores.from_json(scores)] for kind, scores in record["frames"].items()}
        reconstructed = record["reconstructed"] or {}
        self.codec = {when: [Scores.from_json(scores)] for when, scores in reconstructed.items()}
        self.arms = {
            arm: [Scores.from_json(lane["scores"]) for lane in lanes if lane["scores"] is not None]
            for arm, lanes in record["arms"].items()
        }
        self.arms = {arm: lanes for arm, lanes in self.arms.items() if lanes}

    def horizon(self) -> int:
        """Rollout steps that every lane was scored on, K; 0 where there is no lane."""
        return min((lane.horizon for lanes in self.arms.values() for lane in lanes), default=0)

    def of(self, lanes: Sequence[Scores], metric: str) -> Interval | None:
        """A metric over speakers and seeds; None where it was not measured."""
        table = _table(lanes, metric)
        if table is None:
            return None
        measured = interval(*table.cells, self.level)
        if not metric.removeprefix(TRUE).startswith(SHARES):
            return measured
        return replace(
            measured, low=max(0.0, measured.low), high=min(1.0, measured.high)
        )  # no share lies outside

    def less(
        self, lanes: Sequence[Scores], metric: str, others: Sequence[Scores], other: str
    ) -> Interval | None:
        """A metric minus another, paired by speaker and, where both have them, by seed."""
        table, other_table = _table(lanes, metric), _table(others, other)
        pair = None if table is None or other_table is None else paired(table, other_table)
        if pair is None:
            return None
        return difference(*pair[0].cells, *pair[1].cells, self.level)

    def loss(self, arm: str, k: int, metric: str = DENSITY) -> Interval | None:
        """Rolled-out states at step k minus the true frames at those times."""
        lanes = self.arms[arm]
        return self.less(lanes, f"{metric}@{k}", lanes, f"{TRUE}{metric}@{k}")

    def noise_loss(self) -> Interval | None:
        """True frames with noise on them minus true frames."""
        return self.less(self.frames["noise"], DENSITY, self.frames["true"], DENSITY)

    def gain(self) -> str:
        """How much better the flow is than a Gaussian on held-out frames, as text."""
        true = self.frames["true"]
        return interval_text(self.less(true, DENSITY, true, f"gaussian_{DENSITY}"))

    def sentence(self, arm: str, step_ms: float) -> str:
        """How likely an arm's states are at the last step, and what follows for score-based correction; empty
        where that was not measured.
        """
        last = self.horizon()
        lost, noise = self.loss(arm, last), self.noise_loss()
        if lost is None or noise is None:
            return ""
        reached = f"{arm}: after {last} steps ({last * step_ms:.0f} ms) rolled-out states are"
        return f"{reached} {self._judged(arm, lost, noise)} {self._unlikely_places(arm, last)}"

    def _judged(self, arm: str, lost: Interval, noise: Interval) -> str:
        measure = f"{interval_text(lost)} nats per frame against true frames at the same times"
        scale = f"noise of {self.noise:g} standard deviations costs true frames {number(-noise.estimate)}"
        off = self.of(self.arms[arm], f"{SHARES[0]}@{self.horizon()}")
        if off is not None and off.low > _MOST:
            return (
                f"off the manifold: {100 * off.estimate:.0f} % are less likely than the least likely "
                f"{100 * self.off:g} % of true frames, {measure}; {scale}. Score-based correction could help."
            )
        if lost.low > 0:
            return (
                f"likelier than true frames, {measure}: they have drawn in towards the mean of all frames "
                f"({number(self.mean_frame)} nats). Score-based correction would raise a likelihood that "
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

    def _unlikely_places(self, arm: str, k: int) -> str:
        """How many states are unlikely for where they are."""
        metric = f"{SHARES[1]}@{k}"
        states, true = self.of(self.arms[arm], metric), self.of(self.arms[arm], TRUE + metric)
        if states is None or true is None:
            return ""
        return (
            f"{100 * states.estimate:.0f} % of them lie where, as far from the mean as they are, there is "
            f"hardly a true frame ({100 * true.estimate:.0f} % of true frames do)."
        )

    def rows(self, step_ms: float) -> list[TableRow]:
        """What frames, their log density, the same less that of true frames, under the Gaussian, shares off
        the manifold.
        """
        true = self.frames["true"]
        rows = [self._row("true frames, all", true, "", None)]
        if self.codec:
            before, again = self.codec["before"], self.codec["again"]
            rows.append(self._row("true frames, of the clips", before, "", None))
            rows.append(self._row("the same, decoded and encoded again", again, "", before))
        noisy = f"true frames + noise of {self.noise:g} standard deviations"
        rows.append(self._row(noisy, self.frames["noise"], "", true))
        rows.append(self._row("halfway between two true frames", self.frames["mixed"], "", true))
        for arm, lanes in self.arms.items():
            for k in sorted({1, self.horizon()}):
                label = f"{arm}, step {k} ({k * step_ms:.0f} ms)"
                rows.append(self._row(label, lanes, f"@{k}", lanes, TRUE))
        dashes = [NO_VALUE] * (len(rows[0]) - 2)
        rows.append(["the mean of all frames", number(self.mean_frame), *dashes])
        return rows

    def _row(
        self, label: str, lanes: Sequence[Scores], at: str, true: Sequence[Scores] | None, prefix: str = ""
    ) -> TableRow:
        lost = None if true is None else self.less(lanes, DENSITY + at, true, prefix + DENSITY + at)
        figures = [self.of(lanes, metric + at) for metric in (f"gaussian_{DENSITY}", *SHARES)]
        return [label, *map(interval_text, (self.of(lanes, DENSITY + at), lost, *figures))]

    def figure(self, name: str, frame_seconds: float) -> str:
        """Log density along rollouts, beside that of true frames and of spoilt ones."""
        names, steps = list(self.arms), range(1, self.horizon() + 1)
        lines = [
            Line(arm, i, [self.of(self.arms[arm], f"{DENSITY}@{k}") for k in steps])
            for i, arm in enumerate(names)
        ]
        if names:
            true = [self.of(self.arms[names[0]], f"{TRUE}{DENSITY}@{k}") for k in steps]
            lines.append(Line("true frames", len(names), true))
        noise = self.of(self.frames["noise"], DENSITY)
        levels = [] if noise is None else [(noise.estimate, f"true frames + {self.noise:g} std noise")]
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


def _table(lanes: Sequence[Scores], metric: str) -> Table | None:
    """Cells [R, S] over the speakers that all lanes share; a lane without a finite figure is left out."""
    measured = [cells for lane in lanes if (cells := from_scores(lane, metric)) is not None]
    sound = [cells for cells in measured if np.isfinite(cells[1]).all() and math.isfinite(cells[2].sum())]
    if not sound or not all(cells[2].sum() > 0 for cells in sound):
        return None
    speakers = sorted(set.intersection(*(set(cells[0]) for cells in sound)))
    above = np.array([in_order(names, values, speakers) for names, values, _ in sound])
    below = np.array([in_order(names, values, speakers) for names, _, values in sound])
    return Table(list(range(len(sound))), speakers, (above, below))
