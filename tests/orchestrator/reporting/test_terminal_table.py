"""Tables on narrow terminals: every header, word and number is there whole."""

from io import StringIO

import pytest
from rich.console import Console

from orchestrator.reporting.diagnosis_comparison import (
    INFORMATION_COLUMNS,
    INFORMATION_NOTE,
    RATE_COLUMNS,
    STEP_COLUMNS,
)
from orchestrator.reporting.terminal_table import TerminalTable, print_table


def printed(table: TerminalTable, width: int) -> str:
    out = StringIO()
    print_table(Console(file=out, width=width), table)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("columns", [INFORMATION_COLUMNS, STEP_COLUMNS, RATE_COLUMNS])
def test_nothing_is_cut_whatever_the_width(columns: tuple[str, ...], width: int) -> None:
    table = TerminalTable("What the past tells", columns, INFORMATION_NOTE, keys=2)
    cells = ["pca32(soundstream)", *(f"-{place}2.34 ±0.{place}5" for place in range(1, len(columns)))]
    table.add_group("a group", [cells])
    text = printed(table, width)
    assert "…" not in text and all(len(line) <= width for line in text.splitlines())
    for cell in cells:
        assert cell in text, cell
    words = text.split()
    for column in columns:
        assert all(word in words for word in column.split()), column


def test_a_table_that_does_not_fit_repeats_its_keys() -> None:
    table = TerminalTable("wide", ("name", *(f"column{i}" for i in range(12))))
    table.add("first", *(str(1000000 + i) for i in range(12)))
    text = printed(table, 80)
    parts = text.count("first")
    assert parts == text.count("name") >= 2
    assert all(str(1000000 + i) in text for i in range(12))
    assert printed(table, 300).count("first") == 1
