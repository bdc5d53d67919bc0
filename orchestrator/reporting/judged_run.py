"""A run with its verdict: what every section of a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from orchestrator.judging.ablation_effects import Effect, effects
from orchestrator.judging.measures import Measures
from orchestrator.judging.ranking import RankedArm, ranking
from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Evidence
from search_spaces.study import Study
from trainables.lane_config import trainable


@dataclass(frozen=True)
class JudgedRun:
    """The evidence of a run, the verdict on it, and intervals of whatever a section asks for."""

    study: Study
    evidence: Evidence
    judgement: Judgement

    @cached_property
    def measures(self) -> Measures:
        """Intervals of any metric, at the level of the verdict."""
        return Measures(self.evidence, self.judgement.level)

    @cached_property
    def effects(self) -> list[Effect]:
        """What each ablation showed, the most useful component first."""
        return effects(self.study, self.evidence, self.judgement.level)

    @cached_property
    def ranking(self) -> list[RankedArm]:
        """The arms in order of what decides, greatest first; none in a study of two arms, or of
        representations, whose units differ.
        """
        return [] if self.study.compares else ranking(self.measures, self.arms, self.study.primary.metric)

    @property
    def arms(self) -> list[str]:
        """The arms of which anything was gathered, in the order of the study."""
        return [arm.name for arm in self.study.arms if arm.name in self.evidence.arms]

    @property
    def forecasts(self) -> bool:
        """Whether an arm of the study forecasts frames, so that there is something to say of rollouts."""
        return any(trainable(name).forecasts for name in self.study.trainables)

    @property
    def frame_rate(self) -> float:
        """Frames per second of the first representation, Hz."""
        return float(self.evidence.data["frame_rate"])

    def frame_rate_of(self, arm: str) -> float:
        """Frames per second of the representation that an arm was judged on, Hz."""
        return self.measures.frame_rate(arm) or self.frame_rate

    @property
    def level(self) -> str:
        """The level of every interval, in per cent."""
        return f"{100 * self.judgement.level:.3g}"
