"""The verdict: GO, NO-GO, INCONCLUSIVE or INADMISSIBLE, with the numbers that decided it.

GO needs the primary criterion met and every required one that applies. NO-GO needs the primary one or a
required one failed, by an arm that has learnt what it can; where another measure was asked to agree with the
primary one and does not, the verdict is INCONCLUSIVE. A verdict is INADMISSIBLE where the plan was
changed after it was sealed, where the control worlds were misread, where an arm missed what was planted for
it, or where something that binding criteria ask for is missing. Everything else is INCONCLUSIVE; the reason
says what would help. So is one on results of others with too few seeds. Binding criteria are
decided at the full alpha, since all must hold; those that are only reported are corrected for their number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from orchestrator.judging.admissibility import problems, unanswered
from orchestrator.judging.after_the_fact import NOT_SEALED, shortcomings, too_few_seeds
from orchestrator.judging.claims import assess
from orchestrator.judging.criteria import CriterionResult, Outcome, subject
from orchestrator.judging.failure_modes import failure_mode
from orchestrator.judging.learning import Learning, learning, unlearnt, untaught
from orchestrator.judging.measures import Measures
from orchestrator.judging.one_step import OneStep, one_step
from orchestrator.judging.plants import PlantReading, optima, plant_readings
from orchestrator.judging.quality_floor import gated
from orchestrator.judging.reported_criteria import holm_adjusted
from orchestrator.records.evidence import Evidence
from orchestrator.records.seal import seal_hash
from orchestrator.statistics.alpha_spending import alpha_at
from orchestrator.statistics.beliefs import posterior
from orchestrator.statistics.wording import capital, spelled
from search_spaces.study import PREFERENCE, Criterion, Role, Study, criteria_hash
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.parquet_file import of_control_world
from trainables.predictor.scores import LaneStatus

TEST = (
    "two-way random effects over test speakers and seeds, paired by seed, speaker and utterance; t interval "
    "with Satterthwaite's degrees of freedom, never narrower than either one-way interval, squares pooled "
    "where an F test sees neither factor; two-sided at level 1 - alpha; Holm over reported criteria"
)
_DECIDES_NOTHING = (
    "decides nothing here: it is asked of speech, and a control world has none, only tones made from its "
    "frames"
)
_NOTHING_FOLLOWS = "Nothing yet; run it without --smoke."


class Verdict(StrEnum):
    """The answer to a study."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    INADMISSIBLE = "INADMISSIBLE"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict and everything it rests on."""

    study: str
    verdict: Verdict
    reason: str
    consequence: str
    prior: float
    posterior: float  # by the rule of beliefs.py
    level: float  # of every interval, at this look
    criteria: tuple[CriterionResult, ...]
    decided_by: tuple[str, ...]  # names of the criteria that the reason is made of; empty where INADMISSIBLE
    plants: tuple[PlantReading, ...]  # of the arms that binding criteria name
    modes: dict[str, list[str]]  # arm that forecasts -> letter of the failure mode at k = 1..K
    one_step: dict[str, OneStep]
    learning: dict[str, Learning]
    replicates: dict[str, dict[str, int]]  # arm -> how many were asked for, finished, diverged
    criteria_hash: str
    seal: str  # hash of the sealed plan; empty where there is none
    smoke: bool = False  # of a run far too small to be evidence
    forced: str = ""  # what its gate on the roadmap waited for, where it was run all the same
    after_the_fact: str = ""  # what a verdict on results of others is called; empty of a sweep's
    missing: tuple[str, ...] = ()  # what results of others lack, or arms that decide nothing, a sentence each

    @property
    def primary(self) -> CriterionResult:
        """The criterion that was declared to decide."""
        return next(result for result in self.criteria if result.criterion.role is Role.PRIMARY)

    @property
    def decisive(self) -> CriterionResult:
        """What the verdict hangs on: the primary criterion, unless it had its way and others had not."""
        if not self.decided_by or self.primary.criterion.name in self.decided_by:
            return self.primary
        return next(result for result in self.criteria if result.criterion.name == self.decided_by[0])

    @property
    def follows(self) -> str:
        """What follows from the verdict, a sentence; from that of a smoke run nothing does."""
        nothing = self.smoke and self.verdict is not Verdict.INADMISSIBLE
        return _NOTHING_FOLLOWS if nothing else self.consequence

    def __str__(self) -> str:
        smoke = " (smoke run: not evidence)" if self.smoke else ""
        forced = f" (forced, its gate was not open: {self.forced})" if self.forced else ""
        return f"{self.verdict}{smoke}{forced}: {self.reason}\n{self.follows}\n"

    def to_json(self) -> dict[str, Any]:
        """The judgement as plain data, for ``verdict.json``."""
        return {
            "study": self.study,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "consequence": self.consequence,
            "prior": self.prior,
            "posterior": self.posterior,
            "level": self.level,
            "criteria": [result.to_json() for result in self.criteria],
            "decisive": self.decisive.criterion.name,
            "plants": [reading.to_json() for reading in self.plants],
            "modes": self.modes,
            "one_step": {arm: passage.to_json() for arm, passage in self.one_step.items()},
            "learning": {arm: state.to_json() for arm, state in self.learning.items()},
            "replicates": self.replicates,
            "criteria_hash": self.criteria_hash,
            "seal": self.seal,
            "smoke": self.smoke,
            "forced": self.forced,
            "after_the_fact": self.after_the_fact,
            "missing": list(self.missing),
        }


def judge(study: Study, evidence: Evidence) -> Judgement:
    """Judge the evidence of a sweep against the criteria of its study, at the alpha of this look."""
    budget, prior = study.budget, study.prior.probability
    alpha = alpha_at(budget.alpha, budget.looks, evidence.look)
    measures = Measures(evidence, level=1 - alpha)
    assessed = [_assess(criterion, evidence, measures) for criterion in study.criteria]
    results = holm_adjusted(assessed, alpha)
    arms = [arm.name for arm in study.arms if arm.name in evidence.arms]
    learnt = {
        arm: state
        for arm in arms
        if (state := learning(arm, _primary_of(study, arm), evidence, measures, results)) is not None
    }
    plants = plant_readings(study, evidence, measures)
    obstacles = problems(study, evidence, measures, results, plants)
    verdict, reason, deciding = _verdict(results, obstacles, learnt, study.effort)
    few = too_few_seeds(study, evidence, alpha) if evidence.after_the_fact else ""
    if few and verdict in (Verdict.GO, Verdict.NO_GO):
        verdict, reason = Verdict.INCONCLUSIVE, f"{few} {reason}"
    forecasting = [arm for arm in arms if evidence.arms[arm].config.trainable.forecasts]
    smoke = bool(evidence.provenance.get("smoke"))
    # Far too small to move a belief, or not sealed before anyone looked.
    weightless = smoke or evidence.after_the_fact
    return Judgement(
        study=study.name,
        verdict=verdict,
        reason=reason,
        consequence=study.consequences.get(str(verdict), ""),
        prior=prior,
        posterior=prior if weightless else posterior(prior, str(verdict), budget.alpha, budget.power),
        level=measures.level,
        criteria=results,
        decided_by=tuple(result.criterion.name for result in deciding),
        plants=plants,
        modes={arm: _modes(arm, measures) for arm in forecasting},
        one_step={
            arm: one_step(arm, measures, measures.frame_rate(arm) or float(evidence.data["frame_rate"]))
            for arm in forecasting
        },
        learning=learnt,
        replicates={arm: _replicates(evidence, arm) for arm in arms},
        criteria_hash=criteria_hash(study),
        seal=seal_hash(evidence.seal) if evidence.seal else "",
        smoke=smoke,
        forced=str(evidence.provenance.get("forced", "")),
        after_the_fact=NOT_SEALED if evidence.after_the_fact else "",
        missing=(
            *(shortcomings(study, evidence, measures, alpha) if evidence.after_the_fact else ()),
            *unanswered(study, evidence, measures),
        ),
    )


def _assess(criterion: Criterion, evidence: Evidence, measures: Measures) -> CriterionResult:
    """One criterion judged, beside what is possible on the plants where that is known."""
    result = gated(assess(criterion, measures, decodable(evidence)), measures)
    if _is_of_tones(criterion, evidence) and result.outcome is not Outcome.NOT_APPLICABLE:
        value = f"is {spelled(result.estimate)}" if result.estimate else "was not measured"
        sentence = f"{subject(criterion)} {value}, which {_DECIDES_NOTHING}."
        result = replace(result, outcome=Outcome.NOT_APPLICABLE, sentence=sentence)
    if criterion.versus is not None:
        return result
    best = optima(criterion.metric, criterion.arm, evidence)
    return replace(result, kept_optimum=best.get(Surrogate.KEPT), lost_optimum=best.get(Surrogate.LOST))


def _is_of_tones(criterion: Criterion, evidence: Evidence) -> bool:
    """Whether a required criterion is about speech, and a machine has scored the tones of a control world.

    Listeners were asked on purpose, and what a study is about is asked of any data.
    """
    representation = str(evidence.data.get("representation", ""))
    about_sound = criterion.needs_decoder and criterion.metric != PREFERENCE
    return about_sound and criterion.role is Role.REQUIRED and of_control_world(representation)


def decodable(evidence: Evidence) -> bool:
    """Whether the frames can be turned back into audio: the data name a codec, or audio was decoded."""
    lanes = [replicate for arm in evidence.arms.values() for replicate in arm.replicates]
    return bool(evidence.data.get("codec") or evidence.exhibits or any(lane.listening for lane in lanes))


def _verdict(
    results: tuple[CriterionResult, ...],
    obstacles: list[str],
    learnt: Mapping[str, Learning],
    effort: str,
) -> tuple[Verdict, str, list[CriterionResult]]:
    """The verdict, its reason, and the results that the reason is made of."""
    if obstacles:
        return Verdict.INADMISSIBLE, " ".join(obstacles), []
    binding = [r for r in results if r.criterion.role is not Role.REPORTED]
    binding.sort(key=lambda r: r.criterion.role is not Role.PRIMARY)
    if apart := _disagreeing(binding):
        return Verdict.INCONCLUSIVE, f"Two measures of the same thing disagree. {_joined(apart)}", apart
    failed = [r for r in binding if r.outcome is Outcome.FAILED and r.criterion.role is not Role.AGREEING]
    if failed:
        if excuses := unlearnt(failed, learnt, effort):
            return Verdict.INCONCLUSIVE, _excused(failed, excuses), failed
        return Verdict.NO_GO, _joined(failed), failed
    undecided = [r for r in binding if r.outcome in (Outcome.UNDECIDED, Outcome.NOT_MEASURABLE)]
    if undecided:
        return Verdict.INCONCLUSIVE, _joined(undecided), undecided
    asked = [r for r in binding if r.outcome is not Outcome.NOT_ASKED]
    if excuses := untaught(asked, learnt, effort):
        return Verdict.INCONCLUSIVE, _excused(asked, excuses), asked
    return Verdict.GO, _joined(asked), asked


def _disagreeing(binding: list[CriterionResult]) -> list[CriterionResult]:
    """The primary criterion and those that were asked to agree with it and do not; empty where all agree, and
    where the primary one decides nothing.
    """
    primary, *others = binding
    agreeing = [r for r in others if r.criterion.role is Role.AGREEING]
    said = {Outcome.MET: (Outcome.FAILED,), Outcome.FAILED: (Outcome.MET, Outcome.UNDECIDED)}
    against = [r for r in agreeing if r.outcome in said.get(primary.outcome, ())]
    return [primary, *against] if against else []


def _primary_of(study: Study, arm: str) -> str:
    """The metric by whose curve an arm's learning is followed: that of the first binding criterion about it,
    else the primary one.
    """
    binding = [c for c in study.binding if c.arm == arm and not c.needs_decoder]
    return next((c.metric for c in [study.primary, *binding] if c.arm == arm), study.primary.metric)


def _modes(arm: str, measures: Measures) -> list[str]:
    steps = zip(measures.curve(arm, "cos"), measures.curve(arm, "magnitude_ratio"), strict=True)
    return [failure_mode(*(math.nan if x is None else x.estimate for x in step)).letter for step in steps]


def _replicates(evidence: Evidence, arm: str) -> dict[str, int]:
    statuses = [replicate.status for replicate in evidence.arms[arm].replicates]
    finished = statuses.count(LaneStatus.FINISHED)
    return {"asked": len(statuses), "finished": finished, "diverged": len(statuses) - finished}


def _excused(results: list[CriterionResult], excuses: list[str]) -> str:
    return " ".join([_joined(results), *(f"{capital(excuse)}." for excuse in excuses)])


def _joined(results: list[CriterionResult]) -> str:
    return " ".join(capital(result.sentence) for result in results)
