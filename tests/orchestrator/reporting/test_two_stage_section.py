"""A page on two stages: the verdict asks whether anything is lost, and whether there was anything to lose."""

import numpy as np
import pytest

import search_spaces
from orchestrator.judging.criteria import Outcome
from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import ArmEvidence, Replicate
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.study_page import write_report
from orchestrator.reporting.trainable_pages import deciding_picture
from orchestrator.reporting.two_stage_section import null_rows, skill_row
from tests.orchestrator.reporting.made_run import made_run
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.predictor.scores import LaneStatus, Scores

STUDY = search_spaces.load("two_stage")
K, SPEAKERS = 16, 8


def scores(rng: np.random.Generator, skill: float, **figures: float) -> dict:
    made = Scores([f"s{i}" for i in range(SPEAKERS)], 50.0, K)
    frames = np.full((SPEAKERS, K), 500.0)
    curves = {"energy_score_of_climate": 1.0, "energy_score": 1 - skill, "cos": 0.1}
    for name, value in {**curves, "log_magnitude_ratio": 0.0}.items():
        jitter = rng.normal(0, 0.001, (SPEAKERS, 1)) if name == "energy_score" else 0
        made.sums[name], made.counts[name] = (value + jitter) * frames, frames
    for name, value in figures.items():
        made.sums[name] = (value + rng.normal(0, 0.001, SPEAKERS)) * frames[:, 0]
        made.counts[name] = frames[:, 0]
    return made.to_json()


def judged(one: float = 0.2, two: float = 0.2, white: float = 0.0, **figures: float) -> JudgedRun:
    """A run in which one stage has such a skill, two stages another, and noise a third."""
    figures = {"lost_by_halving": 0.05, "quality": 0.1, "quality_over_frozen": 0.05, **figures}
    figures = {"quality_over_mean": 0.05, "skill_of_still": -0.3, "skill_of_halved": 0.1, **figures}
    arms = {}
    for number, arm in enumerate(STUDY.arms):
        replicates, own = [], dict(figures)
        if arm.name != "one_stage":
            own |= {"quality": figures["quality"] - 0.05, "skill_of_constant": 0.12}
        for seed in range(6):
            for frames, skill in zip(
                SURROGATES, (one if arm.name == "one_stage" else two, white, 0.1), strict=True
            ):
                rng = np.random.default_rng([seed, number])
                row = scores(rng, skill, **own)
                replicates.append(Replicate(seed, frames, LaneStatus.FINISHED, row, [], 12))
        config = LaneConfig.of({"trainable": "two_stage", **STUDY.fixed, **arm.fixed})
        real = [r for r in replicates if r.surrogate is Surrogate.REAL]
        arms[arm.name] = ArmEvidence(
            arm.name, config, [], real, [r for r in replicates if r.surrogate is not Surrogate.REAL]
        )
    return made_run(STUDY, arms, dim=32)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({}, "GO"),
        ({"two": 0.25}, "GO"),
        ({"two": 0.15}, "NO-GO"),
        ({"two": 0.19}, "INCONCLUSIVE"),  # just what may be lost
        ({"one": 0.0, "two": 0.0}, "NO-GO"),  # nothing can be predicted
        ({"white": 0.25}, "NO-GO"),  # noise does better
        ({"lost_by_halving": 0.0}, "INCONCLUSIVE"),  # magnitudes do not matter here
    ],
)
def test_nothing_may_be_lost_and_there_has_to_be_something_to_lose(figures, verdict) -> None:
    assert str(judged(**figures).judgement.verdict) == verdict


@pytest.mark.parametrize(("above", "outcome"), [(0.05, Outcome.FAILED), (-0.01, Outcome.NOT_MEASURABLE)])
def test_what_is_heard_counts_above_the_floor_alone(above, outcome) -> None:
    run = judged(quality_over_mean=above)
    run.evidence.data["codec"] = "soundstream"
    (quality,) = [r for r in judge(run.study, run.evidence).criteria if r.criterion.metric == "quality"]
    assert quality.outcome is outcome


def test_a_page_shows_every_arm_beside_its_nulls(tmp_path) -> None:
    run = judged(two=0.15)
    assert [float(cell.split()[0]) for cell in skill_row(run, "empirical")[1:4]] == pytest.approx(
        [0.15, 0.0, 0.1], abs=0.01
    )
    assert [row[0].split(": ")[1] for row in null_rows(run, "one_stage")] == [
        "all magnitudes halved",
        "no step at all",
    ]
    picture = deciding_picture(run)
    assert picture is not None and "global_features less one_stage" in picture.figure
    page, _, _ = write_report(tmp_path, run.study, run.evidence, run.judgement)
    text = page.read_text()
    assert 'id="two-stage"' in text and "Skill of each arm" in text and "above a frozen frame" in text
