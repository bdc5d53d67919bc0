"""What a page shows of studies whose arms run something else than predictors: a section, a picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from markupsafe import Markup

from orchestrator.reporting.archetypes_section import KIND as ARCHETYPES_KIND
from orchestrator.reporting.archetypes_section import archetypes_section
from orchestrator.reporting.components_section import COMPONENTS_KIND, components_section
from orchestrator.reporting.criteria_section import aims
from orchestrator.reporting.figures import effects_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.manifold_section import MANIFOLD_KIND, manifold_section
from orchestrator.reporting.page_section import Picture, Section
from orchestrator.reporting.readout_section import READOUT_KIND, readout_section
from orchestrator.reporting.score_section import SCORE_KIND, score_section
from orchestrator.reporting.two_stage_section import TWO_STAGE_KIND, two_stage_section
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import spoken
from search_spaces.study import Claim, Criterion, Study
from trainables.latents.batching.surrogates import SURROGATES, Surrogate

# By name of the trainable, the section that it adds; None where nothing was measured.
SECTIONS: Mapping[str, Callable[[JudgedRun], Section | None]] = {
    ARCHETYPES_KIND: archetypes_section,
    READOUT_KIND: readout_section,
    SCORE_KIND: score_section,
    MANIFOLD_KIND: manifold_section,
    COMPONENTS_KIND: components_section,
    TWO_STAGE_KIND: two_stage_section,
}
_FRAMES = {
    Surrogate.REAL: "real frames",
    Surrogate.WHITE: "shuffled frames",
    Surrogate.GAUSSIAN: "Gaussian copy",
}
_SURROGATES = "shuffled frames, which have no past, and the Gaussian copy, whose past is linear"


def trainable_sections(run: JudgedRun) -> list[Section | None]:
    """The sections of all trainables of a study that have one."""
    return [SECTIONS[name](run) for name in run.study.trainables if name in SECTIONS]


def has_pages(run: JudgedRun) -> bool:
    """Whether an arm of the study is shown in a section of its own, and decided by what stands there."""
    return any(name in SECTIONS for name in run.study.trainables)


def deciding_picture(run: JudgedRun) -> Picture | None:
    """The figure that decides, of every arm; of surrogates too for the arm that decides, and for all where
    they have to be beaten. Where two arms are compared, their paired difference. None where nothing was
    measured.
    """
    deciding, measures = run.judgement.decisive.criterion, run.measures
    if deciding.versus and deciding.claim is not Claim.TIMES:
        return _difference_picture(run, deciding, deciding.versus)
    values = [
        (_label(arm, frames, run.arms), found)
        for arm in run.arms
        for frames in (SURROGATES if deciding.beats_null or arm == deciding.arm else (Surrogate.REAL,))
        if (found := measures.value(arm, deciding.metric, surrogate=frames)) is not None
    ]
    if not values:
        return None
    levels = _levels(deciding) if deciding.versus is None else {}
    metric = spoken(deciding.metric)
    real = {_label(arm, Surrogate.REAL, run.arms) for arm in run.arms}
    drawn = _drawn(values, real, metric, levels)
    caption = f"The {metric} that decides, with {run.level} % intervals, beside {_SURROGATES}"
    return Picture(drawn, f"{caption}; {aims(deciding)}." if levels else f"{caption}.")


def _placebos(study: Study, deciding: Criterion) -> list[Criterion]:
    """The criteria by which two arms must not differ in what the deciding criterion asks a difference in."""
    others = [each for each in study.criteria if each is not deciding]
    return [each for each in others if each.claim is Claim.COMPARABLE and each.metric == deciding.metric]


def _difference_picture(run: JudgedRun, deciding: Criterion, versus: str) -> Picture | None:
    """The difference that decides, paired by speaker and seed, beside what each surrogate gives and what two
    arms do of which no difference is expected.
    """
    value = run.measures.value
    on_frames = [
        (_FRAMES[frames], found)
        for frames in SURROGATES
        if (found := value(deciding.arm, deciding.metric, versus=versus, surrogate=frames))
    ]
    of_placebos = [
        (f"{pair.arm} less {pair.versus}", found)
        for pair in _placebos(run.study, deciding)
        if (found := value(pair.arm, pair.metric, versus=pair.versus))
    ]
    if not on_frames:
        return None
    beside = [_SURROGATES] if len(on_frames) > 1 else []
    beside += ["two arms of which no difference is expected"] if of_placebos else []
    metric = spoken(deciding.metric)
    label = f"{metric}, {deciding.arm} less {versus}"
    drawn = _drawn([*on_frames, *of_placebos], {_FRAMES[Surrogate.REAL]}, label, _levels(deciding))
    caption = (
        f"The difference in {metric} that decides, paired by speaker and seed, with {run.level} % intervals"
        f"{', beside ' if beside else ''}{' and '.join(beside)}; {aims(deciding)}."
    )
    return Picture(drawn, caption)


def _drawn(
    values: list[tuple[str, Interval]], real: Collection[str], xlabel: str, levels: Mapping[float, str]
) -> Markup:
    """The picture, in which what is not ``real`` frames is a null."""
    nulls = [label for label, _ in values if label not in real]
    drawn = effects_figure("deciding", values, xlabel=xlabel, levels=tuple(levels.items()), nulls=nulls)
    return Markup(drawn)


def _levels(criterion: Criterion) -> dict[float, str]:
    """Where success and failure begin, with a word; one where both begin at the same place."""
    match criterion.claim:
        case Claim.NOT_WORSE:
            return {-criterion.margin: "still equal", 0.0: ""}
        case Claim.COMPARABLE:
            return {-criterion.margin: "still equal", criterion.margin: ""}
    return {criterion.failure: "failure", criterion.success: "success"}


def _label(arm: str, frames: Surrogate, arms: list[str]) -> str:
    if len(arms) == 1:
        return _FRAMES[frames]
    return arm if frames is Surrogate.REAL else f"{arm}: {_FRAMES[frames]}"
