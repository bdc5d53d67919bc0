"""The decision graph of a roadmap as inline SVG: steps in rows by tier, an arrow per verdict that opens one.

Colours are CSS variables of the page; states are words as well as colours, and the graph is also written as
text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from orchestrator.roadmap.gates import Outlook, Status, StepState, verdicts_in_words
from search_spaces.roadmap import GO, NO_GO, Condition, Gate, Roadmap, Step

_W, _H = 152, 62  # of a node
_LEFT, _TOP, _GUTTER, _GAP = 62, 14, 68, 76  # margins; space between columns, and between rows
_COLUMNS = 3


@dataclass(frozen=True)
class Edge:
    """An arrow: a verdict of one step that opens another, alone or together with other verdicts."""

    condition: Condition
    target: str
    beside: tuple[Condition, ...] = ()  # conditions that have to hold as well
    either: bool = False  # whether another way into the step would do as well

    @property
    def label(self) -> str:
        """The words beside the arrow."""
        how = " (both)" if self.beside else " (either)" if self.either else ""
        return f"{self.condition.verdict}{how}"

    @property
    def text(self) -> str:
        """The arrow as a sentence."""
        also = "".join(f" together with {condition}" for condition in self.beside)
        return f"{self.condition}{also} opens {self.target}"


def edges(roadmap: Roadmap) -> list[Edge]:
    """Every arrow of a roadmap, in the order of its steps."""
    return [
        Edge(
            condition,
            step.study,
            tuple(other for other in alternative if other != condition),
            either=len(step.gate) > 1 and () not in step.gate,
        )
        for step in roadmap.steps
        for alternative in step.gate
        for condition in alternative
    ]


def graph_text(outlook: Outlook) -> list[str]:
    """The decision graph in words, one line per step."""
    return [f"{s.step.study} (tier {s.step.tier}): {s.key}. {_way(s.step.gate)}" for s in outlook.statuses]


def _way(gate: Gate) -> str:
    if () not in gate:
        return f"Opened by {verdicts_in_words(gate)}."
    others = tuple(alternative for alternative in gate if alternative)
    return "Nothing has to come first" + (f"; {verdicts_in_words(others)} opens it too." if others else ".")


def graph(outlook: Outlook, beliefs: dict[str, str]) -> str:
    """The decision graph as an SVG element; ``beliefs`` has a short line for each study, under its state."""
    place = _places(outlook.roadmap)
    rows = 1 + max(row for row, _ in place.values())
    width, height = _LEFT + _COLUMNS * (_W + _GUTTER), _TOP + rows * (_H + _GAP) - _GAP + 14
    drawn = [
        *_tiers(outlook.roadmap, place, width),
        *_arrows(outlook, place),
        *(_node(status, place[status.step.study], beliefs) for status in outlook.statuses),
    ]
    label = escape("Decision graph. " + " ".join(graph_text(outlook)), quote=True)
    opening = f'<svg class="graph" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
    return "\n".join([opening, *drawn, "</svg>"])


def _places(roadmap: Roadmap) -> dict[str, tuple[int, int]]:
    """Row and column of each step: a row per tier, or two where one of its steps waits for another."""
    place: dict[str, tuple[int, int]] = {}
    first = 0
    for tier in roadmap.tiers:
        depths: dict[str, int] = {}
        for step in (step for step in roadmap.steps if step.tier == tier):
            depths[step.study] = min(_depth(step, alternative, depths) for alternative in step.gate)
        for depth in sorted(set(depths.values())):
            level = [study for study, d in depths.items() if d == depth]
            for number, study in enumerate(level):
                place[study] = (first + number // _COLUMNS, number % _COLUMNS)
            first += 1 + (len(level) - 1) // _COLUMNS
    return place


def _depth(step: Step, alternative: tuple[Condition, ...], depths: dict[str, int]) -> int:
    """How many steps of the same tier have to come before a step, by one alternative of its gate."""
    return max((depths[c.study] + 1 for c in alternative if c.study in depths), default=0)


def _corner(place: tuple[int, int]) -> tuple[float, float]:
    row, column = place
    return _LEFT + column * (_W + _GUTTER), _TOP + row * (_H + _GAP)


def _tiers(roadmap: Roadmap, place: dict[str, tuple[int, int]], width: float) -> Iterator[str]:
    for tier in roadmap.tiers:
        rows = [place[step.study][0] for step in roadmap.steps if step.tier == tier]
        top = _corner((min(rows), 0))[1] - 10
        tall = (max(rows) - min(rows)) * (_H + _GAP) + _H + 20
        yield f'<rect class="band" x="2" y="{top}" width="{width - 4}" height="{tall}" rx="10"/>'
        middle = top + tall / 2
        yield f'<text class="tier" x="16" y="{middle}" transform="rotate(-90 16 {middle})">Tier {tier}</text>'


def _arrows(outlook: Outlook, place: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Arrows leave at the side of their verdict, and those into one step arrive side by side."""
    drawn = edges(outlook.roadmap)
    for edge in drawn:
        above = [
            e for e in drawn if e.target == edge.target and place[e.condition.study][0] < place[e.target][0]
        ]
        slot, slots = (above.index(edge), len(above)) if edge in above else (0, 1)
        points = _route(place[edge.condition.study], place[edge.target], edge.condition.verdict, slot, slots)
        status = outlook.status(edge.condition.study)
        closed = status.state is StepState.SKIPPED or status.verdict in (GO, NO_GO)
        taken = "taken" if status.verdict == edge.condition.verdict else "closed" if closed else "open"
        kind = "go" if edge.condition.verdict == GO else "no"
        path = " ".join(f"{'L' if i else 'M'}{x:g} {y:g}" for i, (x, y) in enumerate(points))
        x, y = points[-1]
        tip, label = _ending(points[-2], (x, y), edge.label, left=slots > 1 and slot == 0)
        yield (
            f'<g class="edge {kind} {taken}"><title>{escape(edge.text)}</title>'
            f'<path class="line" d="{path}"/><path class="tip" d="{tip}"/>{label}</g>'
        )


def _route(
    source: tuple[int, int], target: tuple[int, int], verdict: str, slot: int, slots: int
) -> list[tuple[float, float]]:
    """The corners of an arrow from one node to another: down, along the gap, down the gutter, along, down."""
    (sx, sy), (tx, ty) = _corner(source), _corner(target)
    first = verdict == GO
    if source[0] == target[0]:
        y = sy + _H / 2
        return [(sx + _W, y), (tx, y)]
    out = sx + _W * (0.3 if first else 0.75)
    arrive = tx + _W * (0.3 if slots == 1 else 0.45 + 0.3 * slot / slots)  # with room for words on both sides
    leave = sy + _H + (16 if first else 26) + 6 * source[1]
    if target[0] == source[0] + 1:
        return [(out, sy + _H), (out, leave), (arrive, leave), (arrive, ty)]
    gutter = tx - _GUTTER / 2 + (-5 if first else 5)
    enter = ty - 34 + (0 if first else 8)
    return [(out, sy + _H), (out, leave), (gutter, leave), (gutter, enter), (arrive, enter), (arrive, ty)]


def _ending(
    before: tuple[float, float], end: tuple[float, float], label: str, left: bool = False
) -> tuple[str, str]:
    """The arrowhead, and the words beside it: to the ``left`` where another arrow ends to the right."""
    x, y = end
    if before[1] == y:
        middle = (before[0] + x) / 2 - 1
        text = f'<text class="label" x="{middle:g}" y="{y - 7:g}" text-anchor="middle">{escape(label)}</text>'
        return f"M{x:g} {y:g} l-8 -4.5 v9 z", text
    beside, anchor = (x - 6, "end") if left else (x + 6, "start")
    text = f'<text class="label" x="{beside:g}" y="{y - 8:g}" text-anchor="{anchor}">{escape(label)}</text>'
    return f"M{x:g} {y:g} l-4.5 -8 h9 z", text


def _node(status: Status, place: tuple[int, int], beliefs: dict[str, str]) -> str:
    x, y = _corner(place)
    study = status.step.study
    title = escape(f"{study}: {status.key}. {status.reason}")
    return (
        f'<g class="node s{status.key}"><title>{title}</title>'
        f'<rect x="{x}" y="{y}" width="{_W}" height="{_H}" rx="8"/>'
        f'<text class="name" x="{x + 10}" y="{y + 20}">{escape(study)}</text>'
        f'<text class="state" x="{x + 10}" y="{y + 37}">{status.key}</text>'
        f'<text class="belief" x="{x + 10}" y="{y + 53}">{escape(beliefs.get(study, ""))}</text></g>'
    )
