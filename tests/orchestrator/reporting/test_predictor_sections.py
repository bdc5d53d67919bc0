"""Pages of predictors of which more is measured: their own picture at the top, and every null."""

import numpy as np
import pytest

import search_spaces
from orchestrator.records.evidence import ArmEvidence, Replicate
from orchestrator.reporting.components_section import component_shares, label_rows, learnt_rows
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.manifold_section import figure_rows, named_failures, rows_by_frames
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.reporting.made_run import made_run
from tests.orchestrator.synthetic_evidence import scores
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus

SPARSE = {
    "density_distance": 0.6,
    "density_distance_first": 0.1,
    "density_distance_growth": 0.5,
    "density_distance_of_true": 0.01,
    "too_sparse": 0.6,
    "too_dense": -0.1,
    "too_uniform": -0.5,
    "classifier_excess": 0.3,
    "off_manifold_share": 0.55,
}
DENSE = SPARSE | {"too_sparse": -0.1, "too_dense": 0.7}
LABELS = ("component", "gating", "magnitude", "clusters", "random")
FEATURES = ("spectral_flux", "pitch_change", "energy_change")
SHARES = {"responsibility": [0.5, 0.5], "component": [0.25, 0.75], "gating": [1.0, 0.0]}


def replicate(seed, surrogate, figures, details) -> Replicate:
    rng = np.random.default_rng([seed, list(Surrogate).index(surrogate)])
    judged = scores(rng, (0.7, 0.5), (0.9, 0.6), 5.0, 8)
    for name, value in figures.items():
        frames = np.full(8, 500.0)
        judged.sums[name], judged.counts[name] = (value + rng.normal(0, 0.003, 8)) * frames, frames
    return Replicate(seed, surrogate, LaneStatus.FINISHED, judged.to_json(), [], 12, details=details)


def arm(name, settings, real, white, details) -> ArmEvidence:
    nulls = [replicate(s, n, white, {}) for s in range(3) for n in (Surrogate.WHITE, Surrogate.GAUSSIAN)]
    lanes = [replicate(s, Surrogate.REAL, real, details) for s in range(6)]
    return ArmEvidence(name, LaneConfig.of(settings), [], lanes, nulls)


def rolled_out(sampled, white) -> JudgedRun:
    study, arms = search_spaces.load("manifold"), {}
    for name, real in (("sample", sampled), ("mean", DENSE), ("mode", DENSE)):
        settings = {"trainable": "manifold", **study.fixed, "feedback": name, "objective": study.objective}
        failure = "too_sparse" if real["too_sparse"] > 0 else "too_dense"
        arms[name] = arm(name, settings, real, {**SPARSE, "density_distance": white}, {"failure": failure})
    return made_run(study, arms, dim=32)


def informed(real, white) -> JudgedRun:
    study = search_spaces.load("components")
    settings = {"trainable": "components", **study.fixed, "head": "mdn", "components": 2}

    def figures(information):
        said = {f"{labels}_information{f}": information for labels in LABELS for f in ("", *_behind())}
        return {**said, "components_used": 2.0, "gating_used": 1.6}

    lanes = arm(
        "mdn", {**settings, "objective": study.objective}, figures(real), figures(white), {"shares": SHARES}
    )
    return made_run(study, {"mdn": lanes}, dim=32)


def estimates(cells) -> list[float]:
    return [float(cell.split()[0].replace("−", "-")) for cell in cells]


def _behind():
    return [f"_{feature}" for feature in FEATURES]


@pytest.mark.parametrize(
    ("sampled", "white", "verdict"),
    [
        (SPARSE, 0.05, "GO"),
        (SPARSE, 0.6, "INCONCLUSIVE"),  # what frames without memory show as well
        (SPARSE | {"density_distance": 0.05}, 0.02, "NO-GO"),
        (DENSE, 0.05, "NO-GO"),  # and no score correction would help
    ],
)
def test_states_have_to_be_off_more_than_the_null_and_not_too_dense(sampled, white, verdict) -> None:
    assert str(rolled_out(sampled, white).judgement.verdict) == verdict


def test_a_page_names_the_failure_of_every_feedback(tmp_path) -> None:
    run = rolled_out(SPARSE, 0.05)
    rows = {row[0]: row[1:] for row in figure_rows(run, run.arms)}
    dense = estimates(rows["share that is too dense, likewise"])
    assert dense == pytest.approx([-0.1, 0.7, 0.7], abs=0.01)
    distance = estimates(rows_by_frames(run, "sample")[0][1:])
    assert distance == pytest.approx([0.6, 0.05, 0.05], abs=0.01)
    assert named_failures(run.evidence.arms["mode"].replicates) == "too dense, in 6 of 6 seeds"
    text = write_report(tmp_path, run.study, run.evidence, run.judgement)[0].read_text()
    assert 'id="manifold"' in text and "too sparse, in 6 of 6 seeds" in text
    _decides(text, "density distance")


@pytest.mark.parametrize(("real", "white", "verdict"), [(0.3, 0.1, "GO"), (0.1, 0.3, "NO-GO")])
def test_components_have_to_say_more_than_those_of_both_surrogates(real, white, verdict) -> None:
    assert str(informed(real, white).judgement.verdict) == verdict


def test_a_page_shows_every_kind_of_label_and_where_components_were_learnt(tmp_path) -> None:
    run = informed(0.3, 0.1)
    assert [len(row) for row in label_rows(run, "mdn")] == [5] * len(LABELS)
    assert estimates(learnt_rows(run, "mdn")[0][1:]) == pytest.approx([0.3, 0.1, 0.1], abs=0.01)
    assert component_shares(run.evidence.arms["mdn"].replicates)[1] == ["2", "75.0%", "0.0%"]
    text = write_report(tmp_path, run.study, run.evidence, run.judgement)[0].read_text()
    assert 'id="component-information"' in text and text.count('id="components"') == 0
    _decides(text, "component information")


def _decides(page: str, metric: str) -> None:
    """The figure beside the verdict is of the metric that decides, with what surrogates give."""
    first = page[: page.index('id="question"')]
    assert f"The {metric} that decides" in first and "shuffled frames, which have no past" in first
