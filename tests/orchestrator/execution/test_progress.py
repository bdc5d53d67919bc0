"""What a sweep says of its progress where nobody watches a terminal."""

import io
import re

from rich.console import Console

from orchestrator.execution.progress import Progress
from orchestrator.planning.pack import Pack
from orchestrator.records.phase import Phase


def lines_of(packs: int, epochs: int) -> list[str]:
    """What is said of a phase of so many packs, one after the other."""
    written = io.StringIO()
    progress = Progress(Console(file=written, soft_wrap=True))
    progress.begin(Phase.CONFIRM, {"vmf": packs}, "cos@16")
    for number in range(packs):
        pack = Pack(Phase.CONFIRM, "vmf", number, (number,), ())
        progress.started(pack)
        for epoch in range(epochs):
            progress.progressed(pack, {"epoch": epoch, "epochs": epochs, "phase": "teacher forcing"})
        progress.finished(pack, [0.5])
    progress.end()
    return written.getvalue().splitlines()


def test_few_long_packs_say_how_far_they_are_before_the_first_has_ended() -> None:
    lines = lines_of(packs=1, epochs=30)
    assert len(lines) == 11 and re.fullmatch("confirm: 3 %, 0 of 1 packs, about .* left", lines[0])
    assert lines[-1] == "confirm: 100 %, 1 of 1 packs, best cos@16: vmf 0.500"


def test_many_short_packs_say_no_more_than_a_line_per_tenth() -> None:
    lines = lines_of(packs=200, epochs=2)
    assert len(lines) == 11 and lines[-1].startswith("confirm: 100 %, 200 of 200 packs, best")
    shares = [int(found) for line in lines for found in re.findall(r"(\d+) %", line)]
    assert shares == [2, *range(10, 101, 10)]
