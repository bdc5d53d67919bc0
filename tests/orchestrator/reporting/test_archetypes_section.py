"""A page on archetypes has no word on rollouts, and every figure beside its nulls."""

import re

import numpy as np
import pytest

import search_spaces
from orchestrator.records.evidence import ArmEvidence, Replicate
from orchestrator.reporting.archetypes_section import archetype_rows, cluster_maps, exemplar_clips
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.reporting.made_run import made_run
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores

STUDY = search_spaces.load("archetypes")
CONFIG = LaneConfig.of({"trainable": "archetypes", "objective": STUDY.objective, "clusters": 4})
SPEAKERS = [f"s{i}" for i in range(8)]
DETAILS = {
    "dimensions": 3,
    "map": [[0.1, 0.2], [0.3, -0.4], [-0.5, 0.0], [0.2, 0.6]],
    "shares": [0.1, 0.2, 0.3, 0.4],
    "exemplars": [
        {
            "cluster": 2,
            "utterance_id": "u1",
            "speaker_id": "s1",
            "frame": 30,
            "seconds": 0.6,
            "clip": "UklGRg==",
        },
        {"cluster": 0, "utterance_id": "u2", "speaker_id": "s2", "frame": 40, "seconds": 0.8},
    ],
    "profile": {"spectral_flux": [0.5, -0.5, 1.5, 0.0], "pitch_change": [0.0] * 4},
}


def replicate(seed: int, surrogate: Surrogate, tight: float, accuracy: float) -> Replicate:
    rng = np.random.default_rng([seed, list(Surrogate).index(surrogate)])
    frames = np.full(8, 500.0)
    figures = {
        "mean_cluster_cosine": tight,
        "cross_speaker_accuracy": accuracy,
        "speaker_independence": 0.95,
        "clusters": 4.0,
        "acoustic_correlation": 0.1,
        "membership_information": 1.0,
    }
    scores = Scores(SPEAKERS, 50.0, 0)
    for name, value in figures.items():
        scores.sums[name], scores.counts[name] = (value + rng.normal(0, 0.003, 8)) * frames, frames
    return Replicate(
        seed,
        surrogate,
        LaneStatus.FINISHED,
        scores.to_json(),
        [],
        12,
        details=DETAILS if surrogate == "real" else {},
    )


def judged(tight: float, accuracy: float = 0.8, gaussian: float = 0.5) -> JudgedRun:
    nulls = [
        replicate(s, n, v, 0.5)
        for s in range(3)
        for n, v in ((Surrogate.WHITE, 0.6), (Surrogate.GAUSSIAN, gaussian))
    ]
    arm = ArmEvidence(
        "archetypes", CONFIG, [], [replicate(s, Surrogate.REAL, tight, accuracy) for s in range(6)], nulls
    )
    return made_run(STUDY, {"archetypes": arm}, dim=8)


@pytest.mark.parametrize(
    ("tight", "accuracy", "gaussian", "verdict"),
    [
        (0.9, 0.8, 0.5, "GO"),
        (0.5, 0.8, 0.3, "NO-GO"),
        (0.9, 0.4, 0.5, "NO-GO"),
        (0.9, 0.8, 0.95, "NO-GO"),  # above frames in random order, and below the Gaussian copy
        (0.7, 0.8, 0.5, "INCONCLUSIVE"),
    ],
)
def test_both_surrogates_and_other_speakers_count(tight, accuracy, gaussian, verdict) -> None:
    assert str(judged(tight, accuracy, gaussian).judgement.verdict) == verdict


def test_a_page_shows_what_decides_beside_its_nulls_and_nothing_of_rollouts(tmp_path) -> None:
    run = judged(0.9)
    page, markdown, _ = write_report(tmp_path, run.study, run.evidence, run.judgement)
    text = page.read_text()
    assert 'id="archetypes"' in text and "map-spectral_flux" in text and 'id="deciding' in text
    assert 'id="rollout"' not in text and 'id="null"' not in text and "ridge" not in text
    assert (run.judgement.modes, run.judgement.one_step, run.judgement.learning) == ({}, {}, {})
    assert "GO" in markdown.read_text()


def test_the_head_says_where_another_criterion_than_the_primary_one_decides(tmp_path) -> None:
    said = {}
    for name, accuracy in (("primary", 0.8), ("another", 0.4)):
        run = judged(0.9, accuracy)
        page, _, _ = write_report(tmp_path / name, run.study, run.evidence, run.judgement)
        said[name] = page.read_text()
    assert "Deciding criterion: clusters are tight" in said["primary"]
    assert "did not decide" not in said["primary"]
    assert "Deciding criterion: clusters hold for speakers on whom they were not fitted" in said["another"]
    assert "The cross-speaker accuracy that decides" in said["another"]
    assert re.search(
        r"primary criterion, clusters are tight.*, did not decide: it came to\s+0.90", said["another"]
    )


def test_rows_hold_real_frames_and_both_surrogates() -> None:
    (title, real, white, gaussian), *rest = archetype_rows("archetypes", judged(0.9))
    assert title.startswith("tightness") and (real[:4], white[:4], gaussian[:4]) == ("0.90", "0.60", "0.50")
    assert len(rest) == 4, "what was not measured has no row"


def test_a_map_has_a_point_for_each_cluster_and_none_of_what_is_not_known() -> None:
    (drawn,) = cluster_maps(judged(0.9).evidence.arms["archetypes"].replicates)
    assert "4 clusters" in drawn
    assert cluster_maps([]) == []


def test_only_what_was_decoded_can_be_heard() -> None:
    (heard,) = exemplar_clips(judged(0.9).evidence.arms["archetypes"].replicates)
    assert (heard["name"], heard["character"]) == (3, "spectral flux 1.50")
    assert [who for who, _ in heard["clips"]] == ["s1, u1 at 0.60 s"]
    assert exemplar_clips([]) == []
