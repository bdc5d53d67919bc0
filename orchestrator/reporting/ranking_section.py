"""All arms of a study in order, and which of them are not told apart."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.judging.ranking import RankedArm
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Picture, Section
from orchestrator.statistics.wording import capital, spoken

RANKING_COLUMNS = ("arm", "value", "the best is ahead by", "not told apart from")


def ranking_section(run: JudgedRun, *, drawn: bool) -> Section | None:
    """The table, and where it is to be ``drawn`` the picture; None where nothing is put in order."""
    found = run.ranking
    if not found:
        return None
    measured = [place.arm for place in found]
    titles = {arm.name: arm.title for arm in run.study.arms}
    content = {
        "metric": spoken(run.study.primary.metric),
        "rows": [(row, titles[place.arm]) for row, place in zip(ranking_rows(found), found, strict=True)],
        "columns": tuple(map(capital, RANKING_COLUMNS)),
        "undecided": undecided_in_words(found),
        "unmeasured": [arm.name for arm in run.study.arms if arm.name not in measured],
        "picture": ranking_picture(run) if drawn else None,
        "alpha": f"{1 - run.judgement.level:.3g}",
    }
    return Section("ranking", "arms in order", "ranking.html", content)


def ranking_picture(run: JudgedRun) -> Picture | None:
    """Every arm with its interval, in order; None where nothing is put in order."""
    if not run.ranking:
        return None
    metric = spoken(run.study.primary.metric)
    values = [(place.arm, place.value) for place in run.ranking]
    caption = (
        f"The {metric} of every arm, with {run.level} % intervals. Whether two arms differ is told by their "
        "paired difference, and not by whether their intervals overlap."
    )
    return Picture(Markup(effects_figure("ranking", values, xlabel=metric)), caption)


def ranking_rows(found: Sequence[RankedArm]) -> list[TableRow]:
    """A row of each arm, headed by its place."""
    return [
        [
            f"{number} {place.arm}",
            interval_text(place.value),
            NO_VALUE if number == 1 else interval_text(place.behind),
            ", ".join(place.undecided) or NO_VALUE,
        ]
        for number, place in enumerate(found, 1)
    ]


def undecided_in_words(found: Sequence[RankedArm]) -> str:
    """Which differences between arms are not decided, and how many are."""
    pairs = len(found) * (len(found) - 1) // 2
    undecided = sum(len(place.undecided) for place in found) // 2
    if not undecided:
        return "Every arm is told apart from every other."
    return (
        f"{undecided} of {pairs} differences are not decided. The best, {found[0].arm}, is {_ahead(found)}."
    )


def _ahead(found: Sequence[RankedArm]) -> str:
    """How the first arm stands to the others."""
    alike = found[0].undecided
    if not alike:
        return "ahead of all others"
    if len(alike) == len(found) - 1:
        return "told apart from no other"
    return f"not told apart from {' and '.join(alike)}, and ahead of all others"
