"""Claims about ratios, on evidence whose truth was put there, and on cells drawn with a known ratio."""

import dataclasses
import math

import numpy as np
import pytest

from orchestrator.judging.claims import assess
from orchestrator.judging.criteria import Outcome
from orchestrator.judging.measures import Measures
from orchestrator.judging.ratio_claims import claimed_quantity, contrast, ratio
from orchestrator.judging.reported_criteria import holm_adjusted, p_value
from orchestrator.judging.verdict import Verdict, judge
from orchestrator.records.evidence import ArmEvidence, Evidence, Replicate
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.representation_section import agreement, comparison
from orchestrator.reporting.study_page import write_report
from orchestrator.runtime.hashing import joint_hash
from search_spaces import load
from search_spaces.study import Claim, Criterion, StudyError, bound
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus, Scores

CONFIG = LaneConfig.of({"head": "vmf"})
TIMES = Criterion(
    "twice as much",
    "predictive_bits_per_second_gaussian",
    "vmf",
    success=2.0,
    failure=1.25,
    versus="mdn",
    claim=Claim.TIMES,
    beats_null=True,
    source="here",
)


def measured(vmf: float, mdn: float, **how) -> Measures:
    return Measures(evidence({"vmf": Truth(information=vmf), "mdn": Truth(information=mdn)}, **how))


@pytest.mark.parametrize(
    ("vmf", "mdn", "outcome", "said"),
    [
        (14.0, 5.0, Outcome.MET, "more than 2 times"),
        (5.0, 5.0, Outcome.FAILED, "less than 1.25 times, where failure begins"),
        (8.0, 5.0, Outcome.UNDECIDED, "more data will not help"),
        (
            10.0,
            5.0,
            Outcome.UNDECIDED,
            "indistinguishable from 2 times; to decide at this estimate it would take about",
        ),
        (9.0, 0.0, Outcome.MET, "has no value"),  # of nothing, anything is more than twice
        (0.0, 0.0, Outcome.UNDECIDED, "has no value"),
    ],
)
def test_a_multiple_is_met_failed_or_undecided_by_whole_intervals(vmf, mdn, outcome, said):
    result = assess(TIMES, measured(vmf, mdn), decodable=False)
    assert result.outcome is outcome and said in result.sentence, result.sentence


def test_the_ratio_is_beyond_the_nulls_and_its_interval_agrees_with_the_claim():
    measures = measured(12.0, 5.0)
    found = ratio(measures, TIMES)
    assert found.low < 12 / 5 < found.high and found.high - found.low < 0.3
    assert found == claimed_quantity(measures, TIMES)
    for times in (found.low, found.high):  # where the interval ends, the contrast's interval reaches 0
        at_end = contrast(measures, TIMES, times)
        assert min(abs(at_end.low), abs(at_end.high)) < 1e-6 * abs(contrast(measures, TIMES, 0).estimate)
    # Both marginals lie 1.5 nats too high, on noise too: taken as it stands the ratio is another.
    plain = ratio(measures, dataclasses.replace(TIMES, beats_null=False))
    assert plain.estimate == pytest.approx(13.5 / 6.5, rel=0.02)
    assert ratio(measured(5.0, 0.0), TIMES) is None


def test_p_agrees_with_the_interval():
    for vmf in (10.1, 10.3, 10.6):
        result = assess(TIMES, measured(vmf, 5.0), decodable=False)
        assert (p_value(result) < 0.05) == (result.contrast.low > 0 or result.contrast.high < 0)


def test_what_is_missing_is_not_measured():
    found = evidence({"vmf": Truth(), "mdn": Truth()})
    found.arms["mdn"].nulls.clear()
    result = assess(TIMES, Measures(found), decodable=False)
    assert result.outcome is Outcome.NOT_MEASURED and p_value(result) is None


def test_a_study_may_not_claim_a_multiple_without_an_arm_to_multiply():
    for wrong in ({"versus": None}, {"failure": 3.0}, {"failure": 0.0}):
        with pytest.raises(StudyError, match="claims 'times'; it needs an arm as versus, and a failure"):
            dataclasses.replace(STUDY, criteria=(*STUDY.criteria, dataclasses.replace(TIMES, **wrong)))


@pytest.mark.slow
def test_the_interval_of_a_ratio_covers_the_truth():
    """Fieller's interval over 8 speakers and 5 seeds, with a denominator two to three errors from 0."""
    rng, covered, draws = np.random.default_rng(1), 0, 300
    for _ in range(draws):
        speaker = rng.normal(0, 1.0, (2, 8))
        seed = rng.normal(0, 0.3, (2, 5))
        arms = {}
        for i, (name, mean) in enumerate((("a", 6.0), ("b", 3.0))):
            values = mean + speaker[i] + seed[i][:, None] + rng.normal(0, 0.5, (5, 8))
            arms[name] = [_lane(k, row) for k, row in enumerate(values)]
        found = Measures(
            Evidence("x", {n: ArmEvidence(n, CONFIG, [], own, []) for n, own in arms.items()}, {}, {}, {})
        )
        criterion = dataclasses.replace(TIMES, metric="figure", arm="a", versus="b", beats_null=False)
        interval = ratio(found, criterion)
        covered += interval is None or interval.low <= 2.0 <= interval.high
    assert 0.925 <= covered / draws <= 0.985  # 4 binomial errors around 0.95, a little wide by design


def _lane(seed: int, row: np.ndarray) -> Replicate:
    scores = Scores(
        [f"s{i}" for i in range(len(row))], 50.0, 1, {"figure": row}, {"figure": np.ones(len(row))}
    )
    return Replicate(seed, Surrogate.REAL, LaneStatus.FINISHED, scores.to_json(), [], 1)


def test_bits_per_second_follow_the_frame_rate_and_the_share_may_have_a_negative_whole():
    sums = {"nll": [-10.0], "marginal_nll": [-6.0], "delta_nll": [-8.0]}
    scores = Scores(
        ["s"], 12.5, 1, {k: np.array(v) for k, v in sums.items()}, dict.fromkeys(sums, np.ones(1))
    )
    assert scores.value("predictive_bits_per_second") == pytest.approx(4.0 * 12.5 / math.log(2))
    assert scores.value("entropy_reduction") == pytest.approx(2.0 / 8.0)


# --- The study that compares representations ---------------------------------------------------------------


def compared(reference: Truth, other: Truth):
    """Evidence of the study: a reference at 12.5 Hz, and another representation at 50 Hz."""
    study = bound(load("representations"), ["slow", "quick"])
    found = evidence({"reference": reference, "other": other}, study=study, speakers=12)
    found.data |= {"representation": "slow", "frame_rate": 12.5, "dim": 32}
    found.other_data = [{**found.data, "representation": "quick", "frame_rate": 50.0, "dim": 64}]
    for name, representation, rate in (("reference", "slow", 12.5), ("other", "quick", 50.0)):
        arm = found.arms[name]
        arm.config |= {"representation": representation}
        for replicate in (*arm.replicates, *arm.nulls):
            replicate.scores["frame_rate"] = rate
    return study, found


def test_where_both_criteria_disagree_the_report_says_so_and_why():
    # Per frame both have the same ΔNLL (information + 11 nats); per second the quicker one tells four times
    # as much.
    study, found = compared(Truth(information=6.0), Truth(information=6.0))
    judgement = judge(study, found)
    assert judgement.verdict is Verdict.GO
    primary, written, _ = judgement.criteria
    assert (primary.outcome, written.outcome) == (Outcome.MET, Outcome.FAILED)
    assert primary.estimate.estimate == pytest.approx(4.0, rel=0.05)
    section = comparison(JudgedRun(study, found, judgement))
    assert section["agreement"].startswith(
        "They disagree: as the document writes it the criterion is failed, beyond"
    )
    assert any("a second has 12.5 in slow and 50 in quick" in reason for reason in section["reasons"])
    noisy = [reason for reason in section["reasons"] if reason.startswith("Shuffled frames of quick")]
    assert noisy and "−(D/2) ln 2 = −22.2 for D = 64" in noisy[0]
    assert [row[:4] for row in section["rows"]] == [
        ["reference", "slow", "12.5", "32"],
        ["other", "quick", "50", "64"],
    ]


def test_slow_frames_are_named_where_delta_is_narrow_without_a_past():
    study, found = compared(Truth(information=6.0), Truth(information=40.0))
    for replicate in (*found.arms["other"].replicates, *found.arms["other"].nulls):
        for name in ("delta_nll", "gaussian_delta_nll"):
            nll, counts = replicate.scores["sums"]["nll"], replicate.scores["counts"]["nll"]
            replicate.scores["sums"][name] = [a + 2.0 * n for a, n in zip(nll, counts, strict=True)]
    judgement = judge(study, found)
    section = comparison(JudgedRun(study, found, judgement))
    assert any(reason.startswith("Frames of quick change little") for reason in section["reasons"])


@pytest.mark.parametrize("lost", ["reference", "other"])
@pytest.mark.parametrize("how", ["never confirmed", "diverged"])
def test_a_report_is_written_whichever_arm_is_lost(lost, how, tmp_path):
    study, found = compared(Truth(information=6.0), Truth(information=6.0))
    if how == "diverged":
        for replicate in (*found.arms[lost].replicates, *found.arms[lost].nulls):
            replicate.status, replicate.scores = "diverged", None
    else:
        del found.arms[lost]
    judgement = judge(study, found)
    assert judgement.verdict is Verdict.INADMISSIBLE
    page, *_ = write_report(tmp_path, study, found, judgement)
    assert "INADMISSIBLE" in page.read_text()


def test_the_page_tells_of_all_data_and_the_seal_holds_the_hash_of_all():
    _, found = compared(Truth(), Truth())
    found.data["hash"], found.other_data[0]["hash"] = "a" * 16, "b" * 16
    assert found.data_hash == joint_hash(["a" * 16, "b" * 16]) != joint_hash(["b" * 16, "a" * 16])
    found.other_data.clear()
    assert found.data_hash == "a" * 16


def test_holm_reaches_claims_whose_ratio_has_no_value():
    result = assess(TIMES, measured(9.0, 0.0), decodable=False)
    assert result.estimate is None and result.outcome is Outcome.MET
    (held,) = holm_adjusted([result], alpha=1e-13)
    assert held.outcome is Outcome.UNDECIDED and "has no value" in held.sentence


def test_no_speaker_is_lost_where_a_likelihood_has_another_sign():
    sums = {"nll": [90.0, 40.0, -44.0], "delta_nll": [100.0, 50.0, -40.0]}
    scores = Scores(
        ["a", "b", "c"], 50.0, 1, {k: np.array(v) for k, v in sums.items()}, dict.fromkeys(sums, np.ones(3))
    )
    gain, whole = scores.per_speaker("entropy_reduction")
    assert (whole > 0).all() and gain.sum() / whole.sum() == pytest.approx(24 / 110)


def test_outcomes_that_agree_are_said_to():
    result = assess(TIMES, measured(14.0, 5.0), decodable=False)
    assert agreement(result, result) == "Both criteria are met: they agree."
