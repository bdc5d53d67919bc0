"""A verdict as a command answers it to a program: the same keys whichever command gave it."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.verdict import Judgement
from orchestrator.statistics.intervals import Interval


class IntervalAnswer(TypedDict):
    """An estimate with its interval over units and seeds; null is what is not finite."""

    estimate: float | None
    low: float | None
    high: float | None
    level: float | None
    speakers: int
    seeds: int


class CriterionAnswer(TypedDict):
    """A criterion with its outcome, a sentence, and the number that decided it."""

    name: str
    role: str
    metric: str
    arm: str
    versus: str | None
    outcome: str
    sentence: str
    estimate: IntervalAnswer | None


class VerdictAnswer(TypedDict):
    """A verdict, what follows from it, and where its report is."""

    study: str
    verdict: str
    reason: str
    consequence: str
    prior: float
    posterior: float
    criteria: list[CriterionAnswer]
    smoke: bool
    seal: str
    after_the_fact: str
    missing: list[str]
    run: str
    report: str


def verdict_answer(folder: Path, judgement: Judgement) -> VerdictAnswer:
    """The answer of a command that gave a verdict, whose report is in a folder."""
    return {
        "study": judgement.study,
        "verdict": str(judgement.verdict),
        "reason": judgement.reason,
        "consequence": judgement.consequence,
        "prior": judgement.prior,
        "posterior": judgement.posterior,
        "criteria": [_criterion(result) for result in judgement.criteria],
        "smoke": judgement.smoke,
        "seal": judgement.seal,
        "after_the_fact": judgement.after_the_fact,
        "missing": list(judgement.missing),
        "run": str(folder),
        "report": str(folder / "report.html"),
    }


def _criterion(result: CriterionResult) -> CriterionAnswer:
    criterion = result.criterion
    return {
        "name": criterion.name,
        "role": str(criterion.role),
        "metric": criterion.metric,
        "arm": criterion.arm,
        "versus": criterion.versus,
        "outcome": str(result.outcome),
        "sentence": result.sentence,
        "estimate": None if result.estimate is None else _interval(result.estimate),
    }


def _interval(interval: Interval) -> IntervalAnswer:
    numbers = interval.to_json()
    return {
        "estimate": numbers["estimate"],
        "low": numbers["low"],
        "high": numbers["high"],
        "level": numbers["level"],
        "speakers": interval.n_speakers,
        "seeds": interval.n_seeds,
    }
