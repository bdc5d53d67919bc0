"""What effect a study's design can detect, before it is run; a design that cannot decide is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from orchestrator.datasets.collection import LatentCollection
from orchestrator.judging.measures import Measures
from orchestrator.judging.ratio_claims import claimed_quantity
from orchestrator.planning.plan import Plan
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.statistics.alpha_spending import alpha_at, replicates_per_look
from orchestrator.statistics.power import needed, smallest_effect, spread_of
from orchestrator.statistics.wording import number, spoken
from search_spaces.study import Claim, Criterion, Spread, Study
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset, Split

# The largest value that a metric of this name can have.
_LARGEST = {"cos": 1.0, "one_step_cosine": 1.0, "log_magnitude_r2": 1.0}


@dataclass(frozen=True, kw_only=True)
class Design:
    """The smallest effect on the primary metric that a number of speakers and seeds can show."""

    criterion: Criterion
    speakers: int  # in the test split
    worth: int  # speakers with equally many frames that would tell as much
    seeds: int  # paired over arms
    level: float  # of the intervals, 1 - alpha
    power: float  # the probability of detecting the effect
    spread: Spread
    effect: float  # distance from a threshold that is detected with this power

    def text(self) -> str:
        """The design in one line, for the user who is about to spend something."""
        c, metric = self.criterion, spoken(self.criterion.metric)
        if c.claim is Claim.TIMES:
            metric = f"the ratio of {metric}"
        worth = "" if self.worth == self.speakers else f" (worth {self.worth} of equal length)"
        up, down = number(c.success + self.effect), number(c.failure - self.effect)
        return (
            f"design: {self.speakers} test speakers{worth} x {self.seeds} paired seeds detect an effect of "
            f"{number(self.effect)} on {metric} with power {self.power:g} at alpha {1 - self.level:.2g}: "
            f"GO if the truth is {up} or more, NO-GO if it is {down} or less (spread: {self.spread.source})"
        )


def design_of(plan: Plan, latents: LatentCollection, out: Path) -> Design:
    """What effect the plan can detect on these data.

    Raises:
        InputError: the plan could not end in GO whatever the truth is; the message says what would be enough.
    """
    study, worth = plan.study, min(map(effective_speakers, latents))
    spread = earlier_spread(out, study, latents.first.meta.representation) or study.spread
    looks = study.budget.looks
    level = 1 - alpha_at(study.budget.alpha, looks, len(replicates_per_look(plan.replicates, looks)))
    effect = smallest_effect(spread, worth, plan.replicates, level, study.budget.power)
    design = Design(
        criterion=study.primary,
        speakers=len(latents.first.speakers(Split.TEST)),
        worth=worth,
        seeds=plan.replicates,
        level=level,
        power=study.budget.power,
        spread=spread,
        effect=effect,
    )
    if not plan.smoke:
        _require_decidable(design)
    return design


def effective_speakers(dataset: LatentDataset) -> int:
    """How many test speakers with equally many frames would tell as much: (sum n)^2 / sum n^2 over the frames
    n of each speaker, rounded down, because a speaker with more frames weighs more (L. Kish, "Survey
    sampling", 1965).
    """
    frames: dict[str, int] = {}
    for row in dataset.index.filter(pc.equal(dataset.index["split"], Split.TEST)).to_pylist():
        frames[row["speaker_id"]] = frames.get(row["speaker_id"], 0) + row["num_frames"]
    lengths = list(frames.values())
    return max(2, int(sum(lengths) ** 2 / sum(n * n for n in lengths)))


def earlier_spread(out: Path, study: Study, representation: str) -> Spread | None:
    """The spread of the primary metric in the newest run of the same study on the same representation."""
    for path in sorted(out.glob("*/evidence.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        planned = Journal(path.parent).events("planned")
        if (
            planned
            and planned[0]["arguments"]["study"] == study.name
            and not planned[0]["arguments"]["smoke"]
        ):
            try:
                evidence = Evidence.read(path)
            except InputError:  # of another version
                continue
            alike = evidence.data.get("representation") == representation
            if alike and study.primary.arm in evidence.arms:
                found = claimed_quantity(Measures(evidence), study.primary)
                if found is not None and found.n_speakers > 2 and found.n_seeds > 2:
                    return spread_of(found, f"measured in {path.parent.name}")
    return None


def _require_decidable(design: Design) -> None:
    """Refuse a design whose smallest detectable effect lies beyond the largest value of the metric."""
    largest = _LARGEST.get(design.criterion.metric.split("@")[0])
    room = None if largest is None else largest - design.criterion.success
    if room is None or design.effect < room:
        return
    speakers, seeds = needed(room, design.spread, design.worth, design.seeds, design.level, design.power)
    ways = [
        *([f"{math.ceil(speakers * design.speakers / design.worth)} test speakers"] if speakers else []),
        *([f"--replicates {seeds}"] if seeds else []),
    ]
    raise InputError(
        f"{design.speakers} test speakers and {design.seeds} replicates cannot decide: the smallest effect "
        f"that they can detect on {design.criterion.metric} is {number(design.effect)}, but above the "
        f"threshold of {design.criterion.success:g} the metric can rise by {number(room)} only; "
        f"{'use ' + ' or '.join(ways) if ways else 'use both more speakers and more replicates'}"
    )
