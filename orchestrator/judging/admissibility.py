"""What makes a verdict inadmissible: a broken seal, one look too many, a misread control, a plant that an arm
did not find, missing data.
"""

from __future__ import annotations

from orchestrator.datasets.fewest_speakers import FEWEST_SPEAKERS
from orchestrator.judging.criteria import CriterionResult, Outcome
from orchestrator.judging.measures import Measures
from orchestrator.judging.plants import PlantReading
from orchestrator.judging.preference import panel_problem
from orchestrator.records.evidence import Evidence
from orchestrator.records.seal import study_changes
from orchestrator.statistics.alpha_spending import FEWEST_REPLICATES
from orchestrator.statistics.wording import capital
from search_spaces.study import Role, Study
from trainables.latents.storage.dataset import Split


def problems(
    study: Study,
    evidence: Evidence,
    measures: Measures,
    results: tuple[CriterionResult, ...],
    plants: tuple[PlantReading, ...] = (),
) -> list[str]:
    """What stands in the way of any verdict, one sentence each; empty where nothing does.

    Problems that should have stopped the run before it gathered anything are reported alone.
    """
    # Results of others have neither seal nor control worlds, and the verdict on them says so.
    for early in () if evidence.after_the_fact else (_assay_problems, _seal_problems, _look_problems):
        if sentences := early(study, evidence):
            return sentences
    sentences = _of_arms(study, evidence, measures, binding=True)
    # The predictors of a smoke run are too small, and trained too little, to find anything.
    if not sentences and not evidence.provenance.get("smoke"):
        planted = [r for r in plants if r.kept is not None or not evidence.after_the_fact]
        sentences = [reading.problem for reading in planted if reading.problem]
    if problem := panel_problem(evidence.ratings):
        sentences.append(problem)
    if sentences:
        return sentences
    binding = [r for r in results if r.criterion.role is not Role.REPORTED]
    return [capital(r.sentence) for r in binding if r.outcome in _no_answers(r.criterion.role)]


def unanswered(study: Study, evidence: Evidence, measures: Measures) -> tuple[str, ...]:
    """What is missing of arms that no binding criterion asks about, for which no verdict waits; sentences."""
    return tuple(_of_arms(study, evidence, measures, binding=False))


def _of_arms(study: Study, evidence: Evidence, measures: Measures, *, binding: bool) -> list[str]:
    """What is missing of the arms that binding criteria ask about, or of the others."""
    bound = study.binding_arms
    arms = [arm.name for arm in study.arms if (arm.name in bound) is binding]
    return [sentence for arm in arms for sentence in _problems_of(arm, evidence, measures)]


def _no_answers(role: Role) -> tuple[Outcome, ...]:
    """Outcomes that leave a binding criterion without an answer; a required one need not apply."""
    unmeasured = (Outcome.NOT_MEASURED,)
    return (*unmeasured, Outcome.NOT_APPLICABLE) if role is Role.PRIMARY else unmeasured


def _seal_problems(study: Study, evidence: Evidence) -> list[str]:
    if not evidence.seal:
        return ["The plan was not sealed before the test speakers were looked at."]
    changed = [*study_changes(evidence.seal, study), *evidence.broken]
    return ["The plan was changed after it was sealed.", *map(capital, changed)] if changed else []


def _look_problems(study: Study, evidence: Evidence) -> list[str]:
    if evidence.look <= study.budget.looks:
        return []
    return [
        f"The test speakers were looked at {evidence.look} times; alpha was spent on {study.budget.looks}."
    ]


def _assay_problems(study: Study, evidence: Evidence) -> list[str]:
    assays = {assay.world: assay for assay in evidence.assays}
    sentences = []
    for world, expected in study.controls.items():
        if world not in assays:
            sentences.append(f"The control world {world} was not run through this code.")
        elif assays[world].verdict != expected:
            sentences.append(
                f"The control world {world}, whose answer is {expected}, ended {assays[world].verdict}: "
                f"{assays[world].reason}"
            )
    return sentences


def _problems_of(arm: str, evidence: Evidence, measures: Measures) -> list[str]:
    if arm not in evidence.arms:
        return [f"Nothing was measured for the {arm} arm."]
    asked, finished = len(evidence.arms[arm].replicates), measures.finished(arm)
    if finished < FEWEST_REPLICATES:
        all_diverged = f"all {asked} replicates of the {arm} arm diverged"
        too_few = (
            f"only {finished} of {asked} replicates of the {arm} arm finished; {FEWEST_REPLICATES} are needed"
        )
        return [capital(f"{all_diverged if asked and not finished else too_few}.")]
    fewest = FEWEST_SPEAKERS[Split.TEST]
    if measures.speakers(arm) < fewest:
        judged = f"the {arm} arm was judged on {measures.speakers(arm)} test speakers"
        return [capital(f"{judged}; at least {fewest} are needed.")]
    return []
