"""What a page shows of studies whose arms run something else than predictors: a section, a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from markupsafe import Markup

from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section


class Picture(NamedTuple):
    """A figure, and what it shows in words."""

    figure: Markup
    caption: str


class TrainablePage(NamedTuple):
    """What a trainable adds to a page; each part is None where nothing was measured."""

    section: Callable[[JudgedRun], Section | None]
    picture: Callable[[JudgedRun], Picture | None]  # beside the verdict


PAGES: Mapping[str, TrainablePage] = {}  # by name of the trainable


def trainable_sections(run: JudgedRun) -> list[Section | None]:
    """The sections of all trainables of a study that have one."""
    return [page.section(run) for page in _pages(run)]


def lead_picture(run: JudgedRun) -> Picture | None:
    """The picture beside the verdict of a study that forecasts nothing; None where there is none."""
    pictures = (page.picture(run) for page in _pages(run))
    return next((picture for picture in pictures if picture is not None), None)


def _pages(run: JudgedRun) -> list[TrainablePage]:
    return [PAGES[name] for name in run.study.trainables if name in PAGES]
