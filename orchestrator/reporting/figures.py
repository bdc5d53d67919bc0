"""Figures as inline SVG that follow the page: colours are CSS variables, text is text, ids are unique.

Matplotlib draws in the colours of the light scheme, which become variables afterwards, so that one drawing
serves light and dark. Whoever wants the drawings themselves collects them (:func:`collected_figures`).
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from statistics import quantiles
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import number

INK, GRID = "#15191e", "#e1e5ea"
ARMS = ("#0072b2", "#c24e00", "#00795a", "#96407a")  # var(--arm-0) ... of study.css
_CSS = {INK: "currentColor", GRID: "var(--grid)", **{c: f"var(--arm-{i})" for i, c in enumerate(ARMS)}}
_STROKES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (3, 1, 1, 1)), (0, (8, 3)))
_MARKERS = ("o", "s", "^", "D")
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.spines.right": False,
    "axes.spines.top": False,
}
_SIZE = (5.0, 3.7)  # inches; on a phone one figure fills the width and its text stays readable
_STRONG = 1.0  # standard deviations at which a colour of a map is at its strongest
# Lines whose ends lie so many quartile ranges away from the others' are far, where there are enough others.
_FAR, _FEWEST_LINES = 3.0, 6
_LEGEND_ROWS, _LEGEND_ROW = 3, 0.18  # the rows that it has room for, and how much higher one more makes it


_kept: ContextVar[dict[str, Figure] | None] = ContextVar("drawings that somebody collects", default=None)


@contextmanager
def collected_figures() -> Iterator[dict[str, Figure]]:
    """Within the block every figure that is made for a page is also kept as a drawing, under its name."""
    drawings: dict[str, Figure] = {}
    token = _kept.set(drawings)
    try:
        yield drawings
    finally:
        _kept.reset(token)


@dataclass(frozen=True)
class Line:
    """A curve of a figure over k = 1..K, or over the places ``at``.

    ``arm`` gives colour and stroke; a null is thin and dotted in that colour.
    """

    label: str
    arm: int
    points: Sequence[Interval | None]
    null: bool = False
    at: Sequence[float] | None = None  # where its points stand, in steps of the figure; 1, 2 ... if left out

    @property
    def places(self) -> Sequence[float]:
        """Where the points of the line stand, in steps of the figure."""
        return range(1, len(self.points) + 1) if self.at is None else self.at


def rollout_figure(
    name: str,
    lines: Sequence[Line],
    *,
    ylabel: str,
    description: str,
    frame_seconds: float,
    optimum: Sequence[float] | None = None,
    levels: Sequence[tuple[float, str]] = (),
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> str:
    """Curves with their bands over the steps of a rollout, in frames below and milliseconds above.

    ``bounds`` are the values that the quantity can take; a band that reaches beyond them is cut off there.
    """
    with _drawn(name, lines) as (figure, axes):
        steps = max((math.ceil(line.places[-1]) for line in lines if line.points), default=1)
        mixed = any(line.at is not None for line in lines)
        if optimum is not None:
            best = list(optimum)[:steps]
            axes.plot(range(1, len(best) + 1), best, color=INK, lw=1.4, ls=(0, (2, 2)), label="best possible")
        for level, text in levels:
            axes.axhline(level, color=INK, lw=0.7, alpha=0.6)
            axes.annotate(
                text,
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(0, 2),
                ha="right",
                textcoords="offset points",
                fontsize=8,
            )
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, bounds[0] - 0.05), min(high, bounds[1] + 0.05))
        _dress(figure, axes, f"rollout step k, frames{' of the first arm' if mixed else ''}", ylabel)
        axes.set_xticks([k for k in range(1, steps + 1) if k == 1 or k % 4 == 0 or steps <= 4])
        above = axes.secondary_xaxis("top", functions=_scaled(1e3 * frame_seconds))
        above.set_xlabel("milliseconds")
        above.spines["top"].set_visible(True)
        return _svg(figure, name, description)


def horizon_figure(name: str, lines: Sequence[Line], *, ylabel: str, description: str) -> str:
    """Curves over milliseconds ahead, by octaves: representations of several frame rates at equal times."""
    with _drawn(name, lines) as (figure, axes):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda ms, _: f"{ms:g}")
        axes.axhline(0, color=INK, lw=0.9)
        _dress(figure, axes, "milliseconds ahead", ylabel)
        return _svg(figure, name, description)


def epoch_figure(name: str, lines: Sequence[Line], *, ylabel: str, description: str) -> str:
    """Curves over the epochs of training."""
    with _drawn(name, lines) as (figure, axes):
        _dress(figure, axes, "epoch", ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return _svg(figure, name, description)


def search_figure(
    name: str, objectives: dict[str, list[float | None]], *, ylabel: str, description: str
) -> str:
    """The objective of every explored configuration, and the best so far, per arm."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for i, (arm, values) in enumerate(objectives.items()):
            known = [(n, v) for n, v in enumerate(values, 1) if v is not None and math.isfinite(v)]
            trials = [n for n, _ in known]
            axes.plot(trials, [v for _, v in known], _MARKERS[_shape(i)], ms=4, alpha=0.55, color=_colour(i))
            best = list(accumulate((v for _, v in known), max))
            axes.step(
                [*trials, len(values)],
                [*best, *best[-1:]] if best else [math.nan],
                where="post",
                color=_colour(i),
                ls=_STROKES[_shape(i)],
                label=f"{arm}, best so far",
            )
        _dress(figure, axes, "configuration explored", ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return _svg(figure, name, description)


def effects_figure(
    name: str,
    rows: Sequence[tuple[str, Interval]],
    *,
    xlabel: str,
    description: str = "",
    levels: Sequence[tuple[float, str]] = ((0.0, ""),),
    nulls: Collection[str] = (),
) -> str:
    """Figures with their intervals, one line each, in the order given from the top, beside some levels: 0
    where they are effects. Where no description is given, it lists them. Those labelled as ``nulls`` are
    thin, dotted and hollow. What lies so far from the others that these could not be told apart beside it is
    an arrow at the edge, with its figure.
    """
    description = description or "; ".join(f"{label}: {number(value.estimate)}" for label, value in rows)
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_SIZE[0], 0.9 + 0.34 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        low, high = _shared_range([effect for _, effect in rows], [level for level, _ in levels])
        for row, (label, effect) in enumerate(rows):
            if effect.estimate < low or effect.estimate > high:
                _point_beyond(axes, row, effect.estimate, low, high)
                continue
            ends = [end for end in (effect.low, effect.high) if math.isfinite(end)]
            null = label in nulls
            width, stroke = (1.2, ":") if null else (2.2, "-")
            axes.plot(ends, [row] * len(ends), stroke, color=_colour(0), lw=width, solid_capstyle="round")
            fill = "none" if null else _colour(0)
            axes.plot([effect.estimate], [row], _MARKERS[0], color=_colour(0), mfc=fill, ms=5.5)
        for level, text in levels:
            axes.axvline(level, color=INK, lw=0.9)
            # Of two levels that may be near each other one has its word to the left.
            side = -1 if level < max(at for at, _ in levels) else 1
            axes.annotate(
                text,
                (level, 1.0),
                xycoords=axes.get_xaxis_transform(),  # above the frame, where no line crosses it
                xytext=(3 * side, 2),
                textcoords="offset points",
                fontsize=8,
                ha="right" if side < 0 else "left",
            )
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if math.isfinite(high - low):
            axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=(1, 2, 5, 10)))  # so that no labels touch
        _dress(figure, axes, xlabel, "")
        return _svg(figure, name, description)


def map_figure(
    name: str, points: Sequence[Sequence[float]], shares: Sequence[float], values: Sequence[float], label: str
) -> str:
    """Points of a plane, as large as their shares and coloured by a value in standard deviations."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        colours = colormaps["coolwarm"]
        largest = max(shares, default=1.0) or 1.0
        for (x, y), share, value in zip(points, shares, values, strict=True):
            shade = to_hex(colours(0.5 + max(-1.0, min(1.0, value / _STRONG)) / 2))
            size = 4 + 10 * math.sqrt(share / largest)
            axes.plot([x], [y], "o", ms=size, color=shade, mec=INK, mew=0.4)
        for value, words in ((-1, f"{-_STRONG:g} or less"), (0, "as any"), (1, f"{_STRONG:g} or more")):
            shade = to_hex(colours(0.5 + value / 2))
            axes.plot([], [], "o", color=shade, mec=INK, mew=0.4, label=words)
        axes.set_xticks([])
        axes.set_yticks([])
        _dress(figure, axes, f"{label}, standard deviations from the mean step", "")
        axes.grid(False)
        return _svg(figure, name, f"{len(points)} clusters on a map, coloured by {label}.")


def heat_figure(
    name: str,
    rows: Sequence[tuple[str, Sequence[float]]],
    *,
    xlabel: str,
    colour_label: str,
    description: str,
) -> str:
    """Values from -1 to 1 as colours, one line of cells for each row, in the order given from the top."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_SIZE[0], 1.4 + 0.22 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        colours = colormaps["coolwarm"]
        for place, (_, values) in enumerate(rows):
            shades = [to_hex(colours(0.5 + max(-1.0, min(1.0, value)) / 2)) for value in values]
            axes.barh([place] * len(values), 1.0, 0.92, left=range(len(values)), color=shades)
        for value in (-1, 0, 1):
            axes.plot([], [], "s", color=to_hex(colours(0.5 + value / 2)), label=f"{colour_label} {value}")
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, max((len(values) for _, values in rows), default=1))
        _dress(figure, axes, xlabel, "")
        figure.set_size_inches(_SIZE[0], 1.4 + 0.22 * len(rows))
        axes.grid(False)
        return _svg(figure, name, description)


@contextmanager
def _drawn(name: str, lines: Sequence[Line]) -> Iterator[tuple[Figure, Axes]]:
    """A figure that holds these lines, and its axes, in the style of the page while they are worked on."""
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, line)
        yield figure, axes


def _scaled(factor: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return lambda steps: steps * factor, lambda times: times / factor


def _colour(arm: int) -> str:
    return ARMS[arm % len(ARMS)]


def _shape(arm: int) -> int:
    """Which stroke and marker: another where a colour comes back."""
    return (arm + arm // len(ARMS)) % len(_STROKES)


def _draw(axes: Axes, line: Line) -> None:
    known = [
        (k, p)
        for k, p in zip(line.places, line.points, strict=True)
        if p is not None and math.isfinite(p.estimate)
    ]
    if not known:
        return
    steps, colour = [k for k, _ in known], _colour(line.arm)
    bounded = [(k, p) for k, p in known if math.isfinite(p.low) and math.isfinite(p.high)]
    axes.fill_between(
        [k for k, _ in bounded],
        [p.low for _, p in bounded],
        [p.high for _, p in bounded],
        color=colour,
        alpha=0.1 if line.null else 0.22,
        lw=0,
    )
    values = [p.estimate for _, p in known]
    if line.null:
        axes.plot(steps, values, color=colour, lw=1.2, ls=(0, (1, 1.6)), label=line.label)
        return
    shape = _shape(line.arm)
    axes.plot(
        steps,
        values,
        color=colour,
        lw=1.8,
        ls=_STROKES[shape],
        marker=_MARKERS[shape],
        ms=3.5,
        label=line.label,
    )


def _shared_range(effects: Sequence[Interval], levels: Sequence[float]) -> tuple[float, float]:
    """The range that shows all effects but those far from the rest, and the levels; without end where there
    are none such.
    """
    whole = -math.inf, math.inf
    ends = sorted(end for e in effects for end in (e.low, e.high) if math.isfinite(end))
    if len(effects) < _FEWEST_LINES or not ends:
        return whole
    first, _, third = quantiles(ends, n=4)
    reach = _FAR * (third - first)
    near = [e for e in effects if not (e.estimate < first - reach or e.estimate > third + reach)]
    if len(near) == len(effects) or third == first:
        return whole
    shown = [end for e in near for end in (e.low, e.high) if math.isfinite(end)] + list(levels)
    margin = 0.1 * (max(shown) - min(shown))
    return min(shown) - margin, max(shown) + margin


def _point_beyond(axes: Axes, row: int, value: float, low: float, high: float) -> None:
    """An arrow at the edge, and the figure that lies beyond it."""
    edge, marker, inwards, beside = (low, "<", 8, "left") if value < low else (high, ">", -8, "right")
    axes.plot([edge], [row], marker, color=_colour(0), ms=6, clip_on=False)
    axes.annotate(
        number(value),
        (edge, row),
        xytext=(inwards, 0),
        textcoords="offset points",
        fontsize=8,
        ha=beside,
        va="center",
    )


def _dress(figure: Figure, axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(True, lw=0.6)
    axes.set_axisbelow(True)
    labels = axes.get_legend_handles_labels()[1]
    if labels:
        more = max(0, math.ceil(len(labels) / 2) - _LEGEND_ROWS)
        figure.set_size_inches(_SIZE[0], _SIZE[1] + _LEGEND_ROW * more)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, handlelength=3.2)


def _svg(figure: Figure, name: str, description: str) -> str:
    """The drawing as an element of a page: no XML header, no metadata, ids prefixed with ``name``."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    if (kept := _kept.get()) is not None:
        kept[name] = figure
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\bid="', f'id="{name}-', drawn)
    drawn = re.sub(r"url\(#", f"url(#{name}-", drawn)
    drawn = re.sub(r'href="#', f'href="#{name}-', drawn)
    for colour, css in _CSS.items():
        drawn = drawn.replace(colour, css)
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)  # it would apply to the whole page
    opening, rest = drawn.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    label = f' role="img" aria-label="{escape(description, quote=True)}"'
    return f'{opening}{label} stroke-linejoin="round">{rest}'
