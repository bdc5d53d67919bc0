"""The verdict: GO, NO-GO, INCONCLUSIVE or INADMISSIBLE, with the numbers that decided it.

GO needs the primary criterion met and every required one that applies. NO-GO needs the primary one or a
required one failed. INADMISSIBLE is a verdict whose plan was changed after it was sealed, whose control
worlds were misread, or which lacks what the criteria ask for; everything else is INCONCLUSIVE, and the
reason says what would help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.evidence import Evidence
from orchestrator.sealing import seal_hash, study_changes
from orchestrator.statistics.criteria import CriterionResult, Outcome, assess
from orchestrator.statistics.measures import Measures
from orchestrator.statistics.modes import failure_mode
from orchestrator.statistics.onestep import OneStep, one_step
from search_spaces.study import Role, Study, criteria_hash

FEWEST_REPLICATES = 2
FEWEST_SPEAKERS = 3


class Verdict(StrEnum):
    """The answer to a study."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    INADMISSIBLE = "INADMISSIBLE"


@dataclass(frozen=True)
class Judgement:
    """A verdict and everything it rests on."""

    study: str
    verdict: Verdict
    reason: str
    consequence: str
    prior: float
    level: float  # of every interval
    criteria: tuple[CriterionResult, ...]
    modes: dict[str, list[str]]  # arm -> letter of the failure mode at k = 1..K
    one_step: dict[str, OneStep]
    replicates: dict[str, dict[str, int]]  # arm -> how many were asked for, finished, diverged
    criteria_hash: str
    seal: str  # hash of the sealed plan; empty where there is none

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``verdict.json``."""
        return {
            "study": self.study,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "consequence": self.consequence,
            "prior": self.prior,
            "level": self.level,
            "criteria": [result.to_json() for result in self.criteria],
            "modes": self.modes,
            "one_step": {arm: passage.to_json() for arm, passage in self.one_step.items()},
            "replicates": self.replicates,
            "criteria_hash": self.criteria_hash,
            "seal": self.seal,
        }


def judge(study: Study, evidence: Evidence) -> Judgement:
    """Judge what a sweep has gathered against the study's own criteria."""
    measures = Measures(evidence, level=1 - study.budget.alpha)
    results = tuple(assess(criterion, measures, decodable(evidence)) for criterion in study.criteria)
    verdict, reason = _verdict(results, _problems(study, evidence, measures, results))
    arms = [arm.name for arm in study.arms if arm.name in evidence.arms]
    return Judgement(
        study=study.name,
        verdict=verdict,
        reason=reason,
        consequence=study.consequences.get(str(verdict), ""),
        prior=study.prior.probability,
        level=measures.level,
        criteria=results,
        modes={arm: _modes(arm, measures) for arm in arms},
        one_step={arm: one_step(arm, measures, float(evidence.data["frame_rate"])) for arm in arms},
        replicates={arm: _replicates(evidence, arm) for arm in arms},
        criteria_hash=criteria_hash(study),
        seal=seal_hash(evidence.seal) if evidence.seal else "",
    )


def decodable(evidence: Evidence) -> bool:
    """Whether the frames can be turned back into audio: the data name a codec, or something was heard."""
    lanes = [replicate for arm in evidence.arms.values() for replicate in arm.replicates]
    return bool(evidence.data.get("codec") or evidence.exhibits or any(lane.listening for lane in lanes))


def _verdict(results: tuple[CriterionResult, ...], problems: list[str]) -> tuple[Verdict, str]:
    if problems:
        return Verdict.INADMISSIBLE, " ".join(problems)
    binding = [r for r in results if r.criterion.role is not Role.REPORTED]
    binding.sort(key=lambda r: r.criterion.role is not Role.PRIMARY)
    failed = [r for r in binding if r.outcome is Outcome.FAILED]
    if failed:
        return Verdict.NO_GO, _joined(failed)
    undecided = [r for r in binding if r.outcome is Outcome.UNDECIDED]
    if undecided:
        return Verdict.INCONCLUSIVE, _joined(undecided)
    return Verdict.GO, _joined(binding)


def _problems(
    study: Study, evidence: Evidence, measures: Measures, results: tuple[CriterionResult, ...]
) -> list[str]:
    """What stands in the way of any verdict, a sentence each."""
    problems = [*_seal_problems(study, evidence), *_assay_problems(study, evidence)]
    for arm in study.arms:
        problems += _problems_of(arm.name, evidence, measures)
    if problems:
        return problems
    binding = [r for r in results if r.criterion.role is not Role.REPORTED]
    return [_capital(r.sentence) for r in binding if r.outcome is Outcome.NOT_MEASURED]


def _seal_problems(study: Study, evidence: Evidence) -> list[str]:
    if not evidence.seal:
        return ["The plan was not sealed before the test speakers were looked at."]
    changed = [*study_changes(evidence.seal, study), *evidence.broken]
    return ["The plan was changed after it was sealed.", *map(_capital, changed)] if changed else []


def _assay_problems(study: Study, evidence: Evidence) -> list[str]:
    found = {assay.world: assay for assay in evidence.assays}
    problems = []
    for world, expected in study.controls.items():
        if world not in found:
            problems.append(f"The control world {world} was not run through this code.")
        elif found[world].verdict != expected:
            problems.append(
                f"The control world {world}, whose answer is {expected}, ended {found[world].verdict}: "
                f"{found[world].reason}"
            )
    return problems


def _problems_of(arm: str, evidence: Evidence, measures: Measures) -> list[str]:
    if arm not in evidence.arms:
        return [f"Nothing was gathered of the {arm} arm."]
    asked, finished = len(evidence.arms[arm].replicates), measures.finished(arm)
    if finished < FEWEST_REPLICATES:
        what = f"all {asked} replicates of the {arm} arm diverged"
        some = (
            f"only {finished} of {asked} replicates of the {arm} arm finished; {FEWEST_REPLICATES} are needed"
        )
        return [_capital(f"{what if asked and not finished else some}.")]
    if measures.speakers(arm) < FEWEST_SPEAKERS:
        judged = f"the {arm} arm was judged on {measures.speakers(arm)} test speakers"
        return [_capital(f"{judged}; at least {FEWEST_SPEAKERS} are needed.")]
    return []


def _modes(arm: str, measures: Measures) -> list[str]:
    pairs = zip(measures.curve(arm, "cos"), measures.curve(arm, "magnitude_ratio"), strict=True)
    return [failure_mode(*(math.nan if x is None else x.estimate for x in pair)).letter for pair in pairs]


def _replicates(evidence: Evidence, arm: str) -> dict[str, int]:
    statuses = [replicate.status for replicate in evidence.arms[arm].replicates]
    finished = statuses.count("finished")
    return {"asked": len(statuses), "finished": finished, "diverged": len(statuses) - finished}


def _joined(results: list[CriterionResult]) -> str:
    return " ".join(_capital(result.sentence) for result in results)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
