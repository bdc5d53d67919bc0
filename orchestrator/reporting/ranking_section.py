"""All arms of a study in order, and which of them are not told apart."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from orchestrator.judging.ranking import RankedArm, ranking
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.wording import capital, spoken
from search_spaces.study import Study

RANKING_COLUMNS = ("", "arm", "value", "the best is ahead by", "not told apart from")


def places_of(run: JudgedRun) -> list[RankedArm]:
    """The arms in order of what decides, greatest first; none in a study of two arms, or of representations,
    whose units differ.
    """
    return [] if run.study.compares else ranking(run.measures, run.arms, run.study.primary.metric)


def ranking_section(run: JudgedRun) -> Section | None:
    """The table and the picture; None where nothing is put in order."""
    found = places_of(run)
    if not found:
        return None
    metric = spoken(run.study.primary.metric)
    values = [(place.arm, place.value) for place in found]
    content = {
        "metric": metric,
        "columns": tuple(map(capital, RANKING_COLUMNS)),
        "rows": ranking_rows(found, run.study),
        "picture": Markup(effects_figure("ranking", values, xlabel=metric, levels=())),
        "undecided": undecided_in_words(found),
        "unmeasured": [arm.name for arm in run.study.arms if arm.name not in dict(values)],
        "level": run.level,
    }
    return Section("ranking", "arms in order", "ranking.html", content)


def ranking_rows(found: Sequence[RankedArm], study: Study) -> list[TableRow]:
    """A row of each arm, with its place."""
    titles = {arm.name: arm.title for arm in study.arms}
    return [
        [
            str(number),
            f"{place.arm} ({titles[place.arm]})",
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
    *most, last = found[0].undecided or ("",)
    if not last:
        return "ahead of all others"
    if len(most) + 2 == len(found):
        return "told apart from no other"
    alike = f"{', '.join(most)} and {last}" if most else last
    return f"not told apart from {alike}, and ahead of all others"
