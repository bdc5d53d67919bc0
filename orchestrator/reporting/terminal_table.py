"""Tables for a terminal of any width: no header, word or number is ever cut.

Cells wrap at spaces. A table that is too wide even then is printed as several, which all repeat its first
columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from orchestrator.reporting.cell_text import NO_VALUE

_GAP = 2  # blanks between columns


@dataclass
class TerminalTable:
    """A table as text, before it is known how wide a terminal it has to fit."""

    title: str  # the line above
    columns: Sequence[str]  # heads
    note: str = ""  # what stands below
    keys: int = 1  # how many of the first columns every part repeats, where it does not fit in one
    rows: list[list[str]] = field(default_factory=list)  # as many cells in each as there are columns
    group_rows: set[int] = field(default_factory=set)  # rows that head those after them, by number

    def add(self, *cells: str) -> None:
        """Add a row; cells that are not given stay empty."""
        self.rows.append([*cells, *[""] * (len(self.columns) - len(cells))])

    def add_group(self, head: str, rows: Sequence[Sequence[str]]) -> None:
        """Add rows under a row that heads them."""
        self.group_rows.add(len(self.rows))
        self.add(head)
        for row in rows:
            self.add(*row)


def print_table(console: Console, table: TerminalTable) -> None:
    """Print a table as wide as ``console`` at most, with its title and its note."""
    console.print(Text(table.title, style="italic"), soft_wrap=True)
    for part in _parts(table, console.width):
        console.print(_drawn(table, part, console.width))
    if table.note:
        console.print(Text(table.note, style="dim italic"))
    console.print()


def _parts(table: TerminalTable, width: int) -> list[list[int]]:
    """The columns of each table that is drawn, by number: as many as fit beside the keys."""
    least = [max(map(_least_width, _cells(table, column))) for column in range(len(table.columns))]
    keys = list(range(table.keys))
    parts = [list(keys)]
    for column in range(table.keys, len(table.columns)):
        needed = sum(least[i] + _GAP for i in (*parts[-1], column)) - _GAP
        if needed > width and len(parts[-1]) > table.keys:
            parts.append(list(keys))
        parts[-1].append(column)
    return parts


def _drawn(table: TerminalTable, part: Sequence[int], width: int) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column, fitted in zip(part, _widths(table, part, width), strict=True):
        body = [row[column] for row in table.rows]
        justify: JustifyMethod = "right" if body and all(map(_is_count, body)) else "left"
        drawn.add_column(Text(table.columns[column]), width=fitted, overflow="fold", justify=justify)
    for place, row in enumerate(table.rows):
        ends_group = bool(table.group_rows) and place + 1 in (*table.group_rows, len(table.rows))
        style = "bold" if place in table.group_rows else None
        drawn.add_row(*(Text(row[column]) for column in part), style=style, end_section=ends_group)
    return drawn


def _widths(table: TerminalTable, part: Sequence[int], width: int) -> list[int]:
    """As wide as their cells, or as narrow as they have to be: heads wrap first, then the widest cells."""
    least = [max(map(_least_width, _cells(table, column))) for column in part]
    bodies = [max((len(row[column]) for row in table.rows), default=0) for column in part]
    widths = [max(map(len, _cells(table, column))) for column in part]
    while sum(widths) + _GAP * (len(part) - 1) > width:
        spare = [i for i, (wide, narrow) in enumerate(zip(widths, least, strict=True)) if wide > narrow]
        if not spare:
            break
        widths[max(spare, key=lambda i: (widths[i] > bodies[i], widths[i]))] -= 1
    return widths


def _cells(table: TerminalTable, column: int) -> list[str]:
    return [table.columns[column], *(row[column] for row in table.rows)]


def _least_width(cell: str) -> int:
    """The width below which a word, or an estimate with its ±, would be broken."""
    return len(cell) if "±" in cell else max(map(len, cell.split()), default=0)


def _is_count(cell: str) -> bool:
    return cell.replace(".", "").replace(",", "").isdigit() or cell == NO_VALUE
