"""A page on readouts: what decides, every size beside closed forms, the placebo, and what is read."""

import re

import numpy as np
import pytest

import search_spaces
from orchestrator.records.evidence import ArmEvidence, Replicate
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.readout_section import frame_rows, rank_rows, readout_map
from orchestrator.reporting.study_page import write_report
from orchestrator.reporting.trainable_pages import deciding_picture
from tests.orchestrator.reporting.made_run import made_run
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores

STUDY = search_spaces.load("linear_readout")
SPEAKERS = [f"s{i}" for i in range(8)]
DETAILS = {
    "strength": [0.9, 0.1],
    "loadings": [[1.0, 0.0, -0.5], [0.0, 0.2, 0.1]],
    "read": [1.0, 0.04, 0.26],
    "predictable": [0.8, 0.01, 0.2],
}


def replicate(arm: str, seed: int, surrogate: Surrogate, value: float) -> Replicate:
    rng = np.random.default_rng([seed, len(arm), list(Surrogate).index(surrogate)])
    frames = np.full(8, 500.0)
    scores = Scores(SPEAKERS, 50.0, 0)
    names = ["readout_information", *(f"readout_information_{d}" for d in (16, 8, 4))]
    if arm == "linear":
        names += [f"readout_information_of_cca_{d}" for d in (16, 8, 4)] + ["readout_information_of_window"]
    for name in names:
        scores.sums[name], scores.counts[name] = (value + rng.normal(0, 0.01, 8)) * frames, frames
    return Replicate(
        seed,
        surrogate,
        LaneStatus.FINISHED,
        scores.to_json(),
        [],
        12,
        details=DETAILS if (arm, surrogate) == ("linear", Surrogate.REAL) else {},
    )


def judged(linear: float, nonlinear: float, white: float = 0.0) -> JudgedRun:
    arms = {}
    for name, kind, value in (("nonlinear", "mlp", nonlinear), ("linear", "linear", linear)):
        config = LaneConfig.of({"trainable": "readout", "objective": STUDY.objective, "readout": kind})
        nulls = [
            replicate(name, seed, surrogate, null)
            for seed in range(2)
            for surrogate, null in ((Surrogate.WHITE, white), (Surrogate.GAUSSIAN, 2.0))
        ]
        real = [replicate(name, seed, Surrogate.REAL, value) for seed in range(6)]
        arms[name] = ArmEvidence(name, config, [], real, nulls)
    return made_run(STUDY, arms, dim=32)


@pytest.mark.parametrize(
    ("linear", "nonlinear", "white", "verdict"),
    [
        (3.0, 3.2, 0.1, "GO"),
        (3.0, 5.0, 0.1, "NO-GO"),
        (3.0, 3.0, 4.0, "NO-GO"),  # frames in random order say more
        (0.0, 0.0, 0.0, "NO-GO"),  # both read nothing
        (3.0, 3.5, 0.1, "INCONCLUSIVE"),
    ],
)
def test_a_linear_readout_is_enough_where_it_says_as_much_and_says_something(
    linear, nonlinear, white, verdict
) -> None:
    assert str(judged(linear, nonlinear, white).judgement.verdict) == verdict


def test_a_page_shows_every_size_the_placebo_and_what_is_read(tmp_path) -> None:
    run = judged(3.0, 3.2)
    page, _, _ = write_report(tmp_path, run.study, run.evidence, run.judgement)
    text = page.read_text()
    assert 'id="readout"' in text and "readout-map" in text and "placebo" in text
    assert 'id="rollout"' not in text
    markdown = (tmp_path / "report.md").read_text()
    assert "] nats per frame** (" in markdown
    assert "Planted" not in text and "planted" not in markdown, "this study plants nothing"


def test_the_picture_that_decides_is_the_paired_difference_beside_what_surrogates_give() -> None:
    picture = deciding_picture(judged(3.0, 3.2))
    assert picture is not None and "linear less nonlinear" in picture.figure
    assert re.search("real frames: −0.(19|20).*; shuffled frames: .*; Gaussian copy: ", picture.figure)
    assert "success > −0.5, failure < −0.5" in picture.caption


def test_rows_hold_trained_arms_and_closed_forms_and_what_bending_gains() -> None:
    run = judged(3.0, 3.2)
    straight, bent, cca = rank_rows(run, ["linear", "nonlinear"], "linear")
    assert (straight[1][:4], bent[1][:4], cca[0]) == ("3.00", "3.20", "canonical correlations (CCA)")
    *_, (_, real, _, gaussian) = frame_rows(run, "linear", "nonlinear")
    assert 0.19 < float(real.split()[0]) < 0.21 and abs(float(gaussian.split()[0].replace("−", "-"))) < 0.01


def test_the_picture_names_the_most_predictable_dimensions() -> None:
    drawn = readout_map(judged(3.0, 3.2).evidence.arms["linear"].replicates)
    assert drawn is not None and "latent dimensions 0 (0.800), 2 (0.200), 1 (0.010)" in drawn
    assert readout_map([]) is None
