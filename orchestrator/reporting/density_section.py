"""What the report says of the density of frames: a sentence per arm, a table, and the curve along rollouts.

Shapes: R replicates, S speakers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from orchestrator.reporting.figures import Line, rollout_figure
from orchestrator.reporting.result_rows import ABSENT, shown
from orchestrator.statistics.intervals import Interval, difference, interval
from orchestrator.statistics.speaker_cells import Table, from_scores, in_order, paired
from orchestrator.statistics.wording import number
from trainables.analysis.frame_likelihoods import TRUE
from trainables.predictor.scores import Scores

FIGURE, SHARES = "log_density", ("off_manifold", "off_at_its_distance")
_MOST = 0.5  # share of states off the manifold above which a rollout has left it, as the study manifold asks


def density_context(
    found: Mapping[str, Any], level: float = 0.95, name: str = "density"
) -> dict[str, Any] | None:
    """What ``density.html`` shows of what the inspection of densities found; None where nothing was measured.

    ``name`` tells its ids on a page from those of others.
    """
    if not found:
        return None
    seen = Densities(found, level)
    step_ms = 1e3 / float(found["frame_rate"])
    return {
        "sentences": [said for arm in seen.arms if (said := seen.sentence(arm, step_ms))],
        "flow": seen.gain(),
        "rows": seen.rows(step_ms),
        "noise": f"{found['noise']:g}",
        "off": f"{100 * found['off']:g}",
        "steps": found["steps"],
        "figure": Markup(seen.figure(name, 1 / float(found["frame_rate"]))),
        "id": name,
        "of": "",  # the representation, where a page tells of several
        "level": f"{100 * level:.3g}",
    }


class Densities:
    """Intervals over speakers, and over seeds where a quantity has them."""

    def __init__(self, found: Mapping[str, Any], level: float = 0.95) -> None:
        self.level, self.noise, self.off = level, found["noise"], found["off"]
        self.mean_frame = float(found["mean_frame"])
        self.frames = {name: [Scores.from_json(own)] for name, own in found["frames"].items()}
        again = found["reconstructed"] or {}
        self.codec = {name: [Scores.from_json(own)] for name, own in again.items()}
        self.arms = {
            arm: [Scores.from_json(own["scores"]) for own in lanes if own["scores"] is not None]
            for arm, lanes in found["arms"].items()
        }
        self.arms = {arm: lanes for arm, lanes in self.arms.items() if lanes}

    def horizon(self) -> int:
        """K."""
        return min((lane.horizon for lanes in self.arms.values() for lane in lanes), default=0)

    def of(self, lanes: Sequence[Scores], metric: str) -> Interval | None:
        """A figure over speakers and seeds."""
        table = _table(lanes, metric)
        if table is None:
            return None
        found = interval(*table.cells, self.level)
        if not metric.removeprefix(TRUE).startswith(SHARES):
            return found
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))  # no share lies outside

    def less(
        self, lanes: Sequence[Scores], metric: str, others: Sequence[Scores], other: str
    ) -> Interval | None:
        """A figure minus another, paired by speaker and, where both have them, by seed."""
        sides = _table(lanes, metric), _table(others, other)
        pair = None if sides[0] is None or sides[1] is None else paired(sides[0], sides[1])
        if pair is None:
            return None
        return difference(*pair[0].cells, *pair[1].cells, self.level)

    def loss(self, arm: str, k: int, metric: str = FIGURE) -> Interval | None:
        """Rolled-out states at step k minus the true frames at those times."""
        lanes = self.arms[arm]
        return self.less(lanes, f"{metric}@{k}", lanes, f"{TRUE}{metric}@{k}")

    def noise_loss(self) -> Interval | None:
        """True frames with noise on them minus true frames."""
        return self.less(self.frames["noise"], FIGURE, self.frames["true"], FIGURE)

    def gain(self) -> str:
        """Whether the flow is worth anything on held-out frames."""
        true = self.frames["true"]
        return shown(self.less(true, FIGURE, true, f"gaussian_{FIGURE}"))

    def sentence(self, arm: str, step_ms: float) -> str:
        """What was found of an arm at the last step, and what follows for score-based correction."""
        last = self.horizon()
        lost, noise = self.loss(arm, last), self.noise_loss()
        if lost is None or noise is None:
            return ""
        reached = f"{arm}: after {last} steps ({last * step_ms:.0f} ms) rolled-out states are"
        measure = f"{shown(lost)} nats per frame against true frames at the same times"
        scale = f"noise of {self.noise:g} standard deviations costs true frames {number(-noise.estimate)}"
        off = self.of(self.arms[arm], f"{SHARES[0]}@{last}")
        if off is not None and off.low > _MOST:
            said = (
                f"off the manifold: {100 * off.estimate:.0f} % are less likely than the least likely "
                f"{100 * self.off:g} % of true frames, {measure}; {scale}. Score-based correction could help."
            )
        elif lost.low > 0:
            said = (
                f"likelier than true frames, {measure}: they have drawn in towards the mean of all frames "
                f"({number(self.mean_frame)} nats). Climbing the score raises a likelihood that they do not "
                "lack: it is not what they need."
            )
        elif not lost.high < 0:
            said = (
                f"neither clearly likelier nor clearly less likely than true frames, {measure}; {scale}. "
                "Likelihood does not say that score-based correction has anything to correct."
            )
        elif lost.high < noise.estimate:
            said = (
                f"much less likely than true frames, {measure}; {scale}. They have left the manifold, and "
                "score-based correction could help."
            )
        elif lost.low > noise.estimate:
            said = (
                f"less likely than true frames, {measure}, but not by as much as a little noise ({scale}). "
                "There is little for score-based correction to gain."
            )
        else:
            said = (
                f"less likely than true frames, {measure}, about as much as with a little noise ({scale}). "
                "Score-based correction could help, but not by much."
            )
        return f"{reached} {said} {self._apart(arm, last)}"

    def _apart(self, arm: str, k: int) -> str:
        """How many states are unlikely for where they are."""
        name = f"{SHARES[1]}@{k}"
        own, true = self.of(self.arms[arm], name), self.of(self.arms[arm], TRUE + name)
        if own is None or true is None:
            return ""
        return (
            f"{100 * own.estimate:.0f} % of them lie where hardly a true frame does that is as far from the "
            f"mean ({100 * true.estimate:.0f} % of true frames are)."
        )

    def rows(self, step_ms: float) -> list[list[str]]:
        """What frames, their log density, the same less that of true frames, under the Gaussian, shares off
        the manifold.
        """
        true = self.frames["true"]
        rows = [_row(self, "true frames, all", true, "", None)]
        if self.codec:
            before, again = self.codec["before"], self.codec["again"]
            rows.append(_row(self, "true frames, of the clips", before, "", None))
            rows.append(_row(self, "the same, decoded and encoded again", again, "", before))
        noisy = f"true frames + noise of {self.noise:g} standard deviations"
        rows.append(_row(self, noisy, self.frames["noise"], "", true))
        rows.append(_row(self, "halfway between two true frames", self.frames["mixed"], "", true))
        for arm, lanes in self.arms.items():
            for k in sorted({1, self.horizon()}):
                rows.append(
                    _row(self, f"{arm}, step {k} ({k * step_ms:.0f} ms)", lanes, f"@{k}", lanes, TRUE)
                )
        dashes = [ABSENT] * (len(rows[0]) - 2)
        rows.append(["the mean of all frames", number(self.mean_frame), *dashes])
        return rows

    def figure(self, name: str, frame_seconds: float) -> str:
        """Log density along rollouts, beside that of true frames and of spoilt ones."""
        names, steps = list(self.arms), range(1, self.horizon() + 1)
        lines = [
            Line(arm, i, [self.of(self.arms[arm], f"{FIGURE}@{k}") for k in steps])
            for i, arm in enumerate(names)
        ]
        if names:
            true = [self.of(self.arms[names[0]], f"{TRUE}{FIGURE}@{k}") for k in steps]
            lines.append(Line("true frames", len(names), true))
        noise = self.of(self.frames["noise"], FIGURE)
        levels = [] if noise is None else [(noise.estimate, f"true frames + {self.noise:g} std noise")]
        said = "; ".join(
            f"{line.label}: {shown(line.points[0])} at the first step, {shown(line.points[-1])} at the last"
            for line in lines
            if line.points
        )
        return rollout_figure(
            name,
            lines,
            ylabel="log density, nats per frame",
            frame_seconds=frame_seconds,
            levels=levels,
            description=f"Log density of states over the steps of the rollout, with bands. {said}.",
        )


def _row(
    seen: Densities,
    label: str,
    lanes: Sequence[Scores],
    at: str,
    true: Sequence[Scores] | None,
    prefix: str = "",
) -> list[str]:
    lost = None if true is None else seen.less(lanes, FIGURE + at, true, prefix + FIGURE + at)
    figures = [seen.of(lanes, name + at) for name in (f"gaussian_{FIGURE}", *SHARES)]
    return [label, shown(seen.of(lanes, FIGURE + at)), shown(lost), *map(shown, figures)]


def _table(lanes: Sequence[Scores], metric: str) -> Table | None:
    """Cells [R, S] over the speakers that all lanes share; a lane without a finite figure is left out."""
    found = [cells for lane in lanes if (cells := from_scores(lane, metric)) is not None]
    sound = [cells for cells in found if np.isfinite(cells[1]).all() and math.isfinite(cells[2].sum())]
    if not sound or not all(cells[2].sum() > 0 for cells in sound):
        return None
    speakers = sorted(set.intersection(*(set(cells[0]) for cells in sound)))
    above = np.array([in_order(names, values, speakers) for names, values, _ in sound])
    below = np.array([in_order(names, values, speakers) for names, _, values in sound])
    return Table(list(range(len(sound))), speakers, (above, below))
