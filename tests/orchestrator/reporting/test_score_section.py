"""A page on a correction: the verdict asks for both nulls, and every rule has its row."""

import numpy as np
import pytest

import search_spaces
from orchestrator.records.evidence import ArmEvidence, Replicate
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.score_section import rule_rows, taught_rows
from orchestrator.reporting.study_page import write_report
from orchestrator.reporting.trainable_pages import deciding_picture
from tests.orchestrator.reporting.made_run import made_run
from trainables.analysis.score_runs import RULES
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores

STUDY = search_spaces.load("score_correction")


def arm_of(name: str, figures: dict[str, float]) -> ArmEvidence:
    """Six replicates of an arm of the study that measured these figures."""
    replicates = []
    for seed in range(6):
        rng, frames = np.random.default_rng(seed), np.full(8, 500.0)
        scores = Scores([f"s{i}" for i in range(8)], 50.0, 16)
        for metric, value in figures.items():
            scores.sums[metric], scores.counts[metric] = (value + rng.normal(0, 0.002, 8)) * frames, frames
        replicates.append(Replicate(seed, Surrogate.REAL, LaneStatus.FINISHED, scores.to_json(), [], 12))
    settings = {**STUDY.fixed, **STUDY.arm(name).fixed, "objective": STUDY.objective}
    config = LaneConfig.of({"trainable": "score", **settings})
    return ArmEvidence(name, config, [], replicates, [])


def judged(score_loss: float = 0.02, **figures: float) -> JudgedRun:
    figures = {
        "skill_gained": 0.05,
        "skill_over_shrinking": 0.05,
        "skill_over_gaussian": 0.02,
        "magnitude_loss": 0.02,
        "skill_of_corrected": 0.2,
        "state_error_gained": 0.1,
        **{f"skill_of_{rule}": 0.1 for rule in RULES[1:]},
        **figures,
    }
    arms = {"corrected": arm_of("corrected", figures)}
    for name, gained in (("score_loss", score_loss), ("whitened_loss", 0.01)):
        taught = {"skill_gained": gained, "skill_of_taught": 0.1 + gained, "skill_of_plain": 0.1}
        arms[name] = arm_of(name, taught)
    return made_run(STUDY, arms, dim=32)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({}, "GO"),
        ({"skill_gained": -0.05, "state_error_gained": 0.5}, "NO-GO"),
        ({"skill_over_shrinking": -0.05}, "NO-GO"),
        ({"skill_over_gaussian": -0.05}, "NO-GO"),
        ({"skill_over_gaussian": 0.0}, "INCONCLUSIVE"),
        ({"magnitude_loss": 0.2}, "NO-GO"),
        ({"skill_of_corrected": -0.1}, "NO-GO"),  # nothing can be predicted
    ],
)
def test_a_correction_has_to_beat_both_nulls_and_keep_magnitudes(figures, verdict) -> None:
    assert str(judged(**figures).judgement.verdict) == verdict


def test_a_page_shows_every_rule(tmp_path) -> None:
    run = judged()
    skills = [float(row[1].split()[0]) for row in rule_rows(run, "corrected")]
    assert skills == pytest.approx([0.2, 0.1, 0.1, 0.1], abs=0.01)
    page, _, _ = write_report(tmp_path, run.study, run.evidence, run.judgement)
    text = page.read_text()
    assert 'id="score"' in text and "shrunk to the mean by the same distance" in text
    assert "Predictors that were taught by a score loss as well" in text


@pytest.mark.parametrize(
    ("score_loss", "outcomes"),
    [(0.03, ("met", "met")), (0.005, ("met", "failed")), (-0.05, ("failed", "failed"))],
)
def test_a_score_loss_is_asked_beside_nll_alone_and_a_whitened_error_and_decides_nothing(
    score_loss, outcomes
):
    run = judged(score_loss)
    found = [result for result in run.judgement.criteria if result.criterion.arm == "score_loss"]
    assert tuple(str(result.outcome) for result in found) == outcomes
    assert str(run.judgement.verdict) == "GO"
    rows = taught_rows(run, ["score_loss", "whitened_loss"])
    assert [row[0] for row in rows] == [
        "NLL and the score loss (weight 0.03, noise of 0.2)",
        "NLL and a whitened squared error (weight 0.03, noise of 0.2)",
        "NLL alone",
    ]
    skills = [float(row[1].split()[0]) for row in rows]
    assert skills == pytest.approx([0.1 + score_loss, 0.11, 0.1], abs=0.005)


def test_where_success_begins_at_failure_one_line_has_one_name() -> None:
    picture = deciding_picture(judged())
    assert picture is not None
    assert picture.figure.count("success") == 1 and "failure" not in picture.figure
