"""Every branch of the verdict, on evidence whose truth was put there."""

import dataclasses
import json
import math

import numpy as np
import pytest

from orchestrator.judging.claims import equivalence_interval, roughly
from orchestrator.judging.criteria import Outcome
from orchestrator.judging.failure_modes import failure_mode
from orchestrator.judging.measures import Measures
from orchestrator.judging.verdict import Verdict, judge
from orchestrator.records.evidence import Evidence
from orchestrator.statistics.intervals import half_width
from orchestrator.statistics.wording import number
from search_spaces.study import Claim, Criterion, Plant, Role
from tests.orchestrator.synthetic_evidence import NOISE, STUDY, Truth, evidence, scores
from trainables.predictor.scores import Scores

MDN = Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05))


def _judge(vmf: Truth, mdn: Truth = MDN, study=STUDY, **how):
    return judge(study, evidence({"mdn": mdn, "vmf": vmf}, **how))


def _outcome(judgement, metric, versus=None):
    return next(r for r in judgement.criteria if (r.criterion.metric, r.criterion.versus) == (metric, versus))


def test_go_where_the_direction_is_kept_and_beats_noise():
    judgement = _judge(Truth(cos=(0.72, 0.7)))
    primary = judgement.criteria[0]
    assert judgement.verdict is Verdict.GO
    assert primary.outcome is Outcome.MET
    assert primary.estimate.low > 0.6 > 0.1 > primary.white.high
    assert primary.estimate.n_speakers == 12 and primary.estimate.n_seeds == 6
    assert _outcome(judgement, "continuation_quality", "mdn").outcome is Outcome.NOT_APPLICABLE
    assert _outcome(judgement, "cos@16", "mdn").estimate.estimate == pytest.approx(0.5, abs=0.02)
    assert "archetype" in judgement.consequence


def test_no_go_where_the_direction_is_lost():
    judgement = _judge(Truth(cos=(0.7, 0.1), information=0.0))
    assert judgement.verdict is Verdict.NO_GO
    assert "entirely below 0.3" in judgement.reason
    assert "score-based" in judgement.consequence


def test_inconclusive_between_the_thresholds_and_more_data_will_not_help():
    judgement = _judge(Truth(cos=(0.7, 0.45)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "more data will not help" in judgement.reason


def test_inconclusive_with_a_wide_interval_says_how_many_speakers_would_do():
    few = _judge(Truth(cos=(0.7, 0.66), speaker_sd=0.14), speakers=6)
    assert few.verdict is Verdict.INCONCLUSIVE
    asked = int(few.reason.split("about ")[1].split()[0])
    found = few.criteria[0].estimate
    gap = found.estimate - 0.6
    assert asked > 6
    assert half_width(found, asked, 6) < gap <= half_width(found, asked - 1, 6)


def test_a_cosine_that_noise_reaches_too_is_never_a_go():
    judgement = _judge(Truth(cos=(0.7, 0.7), white=(0.7, 0.7)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "no evidence" in judgement.reason
    below = _judge(Truth(cos=(0.7, 0.7), white=(0.9, 0.9)))
    assert below.verdict is Verdict.NO_GO


def test_worse_sound_than_the_baseline_is_a_no_go_and_better_sound_a_go():
    good = Truth(cos=(0.72, 0.7))
    with_sound = {"mdn": dataclasses.replace(MDN, quality=0.3), "codec": "soundstream"}
    worse = _judge(dataclasses.replace(good, quality=0.2), **with_sound)
    better = _judge(dataclasses.replace(good, quality=0.4), **with_sound)
    assert worse.verdict is Verdict.NO_GO
    assert better.verdict is Verdict.GO
    found = _outcome(better, "continuation_quality", "mdn").estimate
    assert found.estimate == pytest.approx(0.1, abs=0.02)
    assert (found.n_speakers, found.n_seeds) == (8, 6)


def test_sound_that_was_not_heard_of_a_codec_is_inadmissible():
    judgement = _judge(Truth(cos=(0.72, 0.7)), codec="soundstream")
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert "continuation quality" in judgement.reason


@pytest.mark.parametrize("quality", [0.1, 0.3, 0.5])
def test_tones_of_a_control_world_are_scored_and_stand_in_nobodys_way(quality):
    """What is required of speech: in a world that both arms know they sound alike."""
    world = {"mdn": dataclasses.replace(MDN, quality=0.3), "codec": "control:directional"}
    judgement = _judge(Truth(cos=(0.72, 0.7), quality=quality), **world)
    heard = _outcome(judgement, "continuation_quality", "mdn")
    assert judgement.verdict is Verdict.GO and heard.outcome is Outcome.NOT_APPLICABLE
    assert heard.estimate.estimate == pytest.approx(quality - 0.3, abs=0.02)
    assert "decides nothing here" in heard.sentence and heard.sentence[1:] in judgement.reason
    derived = _judge(
        Truth(cos=(0.72, 0.7), quality=quality), **world | {"codec": "pca8(control:directional)"}
    )
    assert _outcome(derived, "continuation_quality", "mdn").outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("codec", "verdict"), [(None, Verdict.INADMISSIBLE), ("control:directional", Verdict.GO)]
)
def test_a_study_about_sound_has_no_answer_where_nothing_sounds_and_one_where_tones_do(codec, verdict):
    about_sound = tuple(
        dataclasses.replace(c, role=Role.PRIMARY if c.metric == "continuation_quality" else Role.REPORTED)
        for c in STUDY.criteria
    )
    study = dataclasses.replace(STUDY, criteria=about_sound, plant=Plant.NONE)
    heard = {} if codec is None else {"mdn": 0.3, "vmf": 0.4}
    truths = {arm: dataclasses.replace(MDN, quality=heard.get(arm)) for arm in ("mdn", "vmf")}
    judgement = judge(study, evidence(truths, codec=codec, study=study))
    assert judgement.verdict is verdict, judgement.reason


@pytest.mark.parametrize(
    ("vmf", "how", "said"),
    [
        (Truth(diverged=6), {}, "All 6 replicates of the vmf arm diverged"),
        (Truth(diverged=5), {}, "Only 1 of 6 replicates of the vmf arm finished"),
        (Truth(), {"speakers": 2}, "2 test speakers"),
    ],
)
def test_inadmissible_where_data_are_missing(vmf, how, said):
    judgement = _judge(vmf, **how)
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert said in judgement.reason


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Truth(diverged=6), "All 6 replicates of the mdn arm diverged."),
        (None, "Nothing was measured for the"),
    ],
)
def test_an_arm_that_no_binding_criterion_asks_about_spoils_no_verdict_and_is_named(other, said):
    reported = tuple(
        dataclasses.replace(c, role=Role.REPORTED) if "mdn" in (c.arm, c.versus) else c
        for c in STUDY.criteria
    )
    study = dataclasses.replace(STUDY, criteria=reported)
    arms = {"vmf": Truth(), **({"mdn": other} if other else {})}
    judgement = judge(study, evidence(arms, study=study))
    assert judgement.verdict is Verdict.GO, judgement.reason
    assert [sentence.startswith(said) for sentence in judgement.missing] == [True]
    bound = judge(STUDY, evidence({"mdn": MDN, "vmf": Truth()}))
    assert bound.missing == ()


def test_inadmissible_where_the_criteria_moved_after_sealing():
    softer = tuple(
        dataclasses.replace(c, success=0.5) if c.role is Role.PRIMARY else c for c in STUDY.criteria
    )
    judgement = _judge(Truth(), study=dataclasses.replace(STUDY, criteria=softer))
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert "changed after it was sealed" in judgement.reason
    assert "success was 0.6 when sealed and is 0.5 now" in judgement.reason


def test_a_missing_null_is_inadmissible_only_where_it_would_have_decided():
    good, bad = evidence(), evidence({"mdn": MDN, "vmf": Truth(cos=(0.7, 0.1))})
    good.arms["vmf"].nulls.clear()
    bad.arms["vmf"].nulls.clear()
    assert judge(STUDY, good).verdict is Verdict.INADMISSIBLE
    assert judge(STUDY, bad).verdict is Verdict.NO_GO


def test_one_nan_drops_its_replicate_and_is_counted():
    record = evidence()
    record.arms["vmf"].replicates[2].scores["sums"]["cos"][4][15] = math.nan
    primary = judge(STUDY, record).criteria[0]
    assert (primary.dropped, primary.estimate.n_seeds) == (1, 5)
    assert math.isfinite(primary.estimate.low)


def test_a_seed_whose_training_failed_counts_against_its_arm():
    record, whole = evidence(), evidence()
    record.arms["vmf"].replicates[2].status = "diverged"
    record.arms["vmf"].replicates[2].scores = None
    lost, sound = (Measures(each).value("vmf", "cos@16") for each in (record, whole))
    assert lost.n_seeds == sound.n_seeds == 6
    assert lost.estimate == pytest.approx(5 / 6 * sound.estimate, rel=0.05) and lost.low < sound.low
    for metric, worse in (("state_error@16", 1), ("-state_error@16", -1), ("nll", 1)):
        lost, sound = (Measures(each).value("vmf", metric) for each in (record, whole))
        assert worse * (lost.estimate - sound.estimate) >= 0, metric
    record.arms["vmf"].replicates[3].scores["sums"]["cos"][0][15] = -1e3  # worse than nothing
    assert Measures(record).value("vmf", "cos@16").estimate < 0.5 * sound.estimate


def test_arms_are_paired_by_all_seeds_those_that_failed_included():
    record = evidence({"mdn": dataclasses.replace(MDN, diverged=2), "vmf": Truth()})
    record.arms["vmf"].replicates[5].status = "diverged"
    judgement = judge(STUDY, record)
    assert _outcome(judgement, "cos@16", "mdn").estimate.n_seeds == 6
    assert judgement.replicates["vmf"] == {"asked": 6, "finished": 5, "diverged": 1}


def test_listening_heard_on_some_seeds_only_falls_back_to_speakers():
    record = evidence({"mdn": dataclasses.replace(MDN, quality=0.3), "vmf": Truth(quality=0.35)})
    record.arms["vmf"].replicates[0].listening[0]["continuation_quality"] = math.nan
    for figure in record.arms["vmf"].replicates[1].listening[:2]:
        figure["continuation_quality"] = None
    found = Measures(record).value("vmf", "continuation_quality", versus="mdn")
    assert (found.n_seeds, found.n_speakers) == (1, 8)
    assert found.estimate == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("cosine", "ratio", "letter"),
    [
        (0.9, 0.05, "A"),
        (math.nan, 0.0, "A"),
        (0.05, 0.5, "C"),
        (0.3, 0.1, "B"),
        (0.7, 0.89, "B"),
        (0.3, 0.9, "T"),
        (0.2, 0.7, "m"),
        (0.05, 0.4, "m"),
        (0.5, math.nan, "?"),
        (math.nan, 0.5, "?"),
    ],
)
def test_failure_modes_have_the_documented_borders(cosine, ratio, letter):
    assert failure_mode(cosine, ratio).letter == letter


def test_modes_follow_the_curves():
    judgement = _judge(Truth(cos=(0.7, 0.68), ratio=(1.2, 0.3)))
    assert judgement.modes["vmf"][0] == "T" and judgement.modes["vmf"][-1] == "B"
    assert judgement.modes["mdn"][-1] == "A"


def test_one_step_passage_says_that_noise_scores_as_well():
    flat = Truth(cos=(NOISE, 0.0), information=0.0, speaker_sd=0.01)
    passage = _judge(flat).one_step["vmf"]
    assert "no evidence" in passage.sentence and "indistinguishable from zero in this run" in passage.sentence
    informed = _judge(Truth(cos=(0.8, 0.7), information=6.0)).one_step["vmf"]
    assert informed.bits_per_second == pytest.approx(6.0 * 50 / math.log(2), rel=0.02)
    assert "no evidence" not in informed.sentence and "indistinguishable from zero" not in informed.sentence


def test_information_below_zero_is_less_than_a_density_without_a_past_knows():
    record = evidence({"mdn": Truth(), "vmf": Truth(information=-3.0)})
    for replicate in record.arms["vmf"].replicates:
        replicate.scores["marginal"] = "gaussian_marginal_nll"
    passage = judge(STUDY, record).one_step["vmf"]
    assert passage.marginal == "a Gaussian"
    assert passage.information["real"].estimate == pytest.approx(-1.5, abs=0.2)  # the synthetic Gaussian's
    assert "Against a Gaussian without a past" in passage.sentence
    assert "knows less about the next frame than a density without a past" in passage.sentence


def test_log_magnitude_r2_as_a_ratio_of_sums_equals_the_whole():
    rng = np.random.default_rng(3)
    found = scores(rng, (0.7, 0.6), (0.9, 0.6), 5.0, effects=rng.normal(0, 0.2, 12))
    record = evidence()
    for replicate in record.arms["vmf"].replicates:
        replicate.scores = found.to_json()
    value = Measures(record).value("vmf", "log_magnitude_r2")
    assert value.estimate == pytest.approx(found.value("log_magnitude_r2"), rel=1e-12)
    assert value.low < value.estimate < value.high


def test_the_judgement_survives_json_and_evidence_its_file(tmp_path):
    record = evidence(exhibits=1)
    record.write(tmp_path / "evidence.json")
    again = judge(STUDY, Evidence.read(tmp_path / "evidence.json"))
    written = json.dumps(again.to_json(), allow_nan=False)
    assert json.loads(written) == json.loads(json.dumps(judge(STUDY, record).to_json()))
    parsed = Scores.from_json(record.arms["vmf"].replicates[0].scores)
    assert again.to_json()["criteria"][0]["estimate"]["speakers"] == len(parsed.speakers)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-0.0001, "0.000"),
        (-0.5, "−0.500"),
        (0.0, "0.000"),
        (31.44, "31.4"),
        (-math.inf, "−∞"),
        (12345.6, "12346"),
    ],
)
def test_numbers_read_as_a_person_would_write_them(value, shown):
    assert number(value) == shown


def _claimed(claim, vmf: Truth, mdn: Truth, margin=0.05, **how):
    """The result of a claim about the difference between the arms' cosines at step 16."""
    base = next(c for c in STUDY.criteria if (c.metric, c.versus) == ("cos@16", "mdn"))
    criterion = dataclasses.replace(base, claim=claim, margin=margin)
    study = dataclasses.replace(STUDY, criteria=(STUDY.primary, criterion))
    judgement = judge(study, evidence({"mdn": mdn, "vmf": vmf}, study=study, **how))
    assert judgement.verdict is not Verdict.INADMISSIBLE
    return judgement.criteria[1]


def _at(cosine: float, **how) -> Truth:
    return Truth(cos=(0.7, cosine), **how)


def test_comparable_arms_lie_within_the_margins():
    met = _claimed(Claim.COMPARABLE, _at(0.7), _at(0.7))
    assert met.outcome is Outcome.MET and "within ±0.05" in met.sentence and "at 90 %" in met.sentence
    assert met.p == met.adjusted_p < 0.05
    narrow = equivalence_interval(met.estimate)
    assert -0.05 < narrow.low < narrow.high < 0.05 and narrow.level == pytest.approx(0.9)


@pytest.mark.parametrize(("vmf", "mdn"), [(0.8, 0.6), (0.6, 0.8)])
def test_arms_that_differ_by_more_than_the_margin_are_not_comparable(vmf, mdn):
    failed = _claimed(Claim.COMPARABLE, _at(vmf), _at(mdn))
    assert failed.outcome is Outcome.FAILED and "entirely outside ±0.05" in failed.sentence
    assert failed.p > 0.5


@pytest.mark.parametrize("vmf", [0.6, 0.68])
def test_a_difference_near_the_margin_is_undecided_and_says_what_would_do(vmf):
    noisy = {"speaker_sd": 0.2, "seed_sd": 0.0}
    open_ = _claimed(Claim.COMPARABLE, _at(vmf, **noisy), _at(0.7, **noisy), speakers=5)
    assert open_.outcome is Outcome.UNDECIDED and "neither within ±0.05 nor outside" in open_.sentence
    assert "test speakers instead of 5" in open_.sentence
    asked, gap = int(open_.sentence.split("about ")[1].split()[0]), abs(abs(open_.estimate.estimate) - 0.05)
    deciding = equivalence_interval(open_.estimate) if abs(open_.estimate.estimate) < 0.05 else open_.estimate
    assert half_width(deciding, asked, 6) < gap


def test_not_worse_asks_for_the_lower_side_alone():
    better = _claimed(Claim.NOT_WORSE, _at(0.8), _at(0.6))
    slightly = _claimed(Claim.NOT_WORSE, _at(0.69), _at(0.7))
    worse = _claimed(Claim.NOT_WORSE, _at(0.6), _at(0.8))
    noisy = {"speaker_sd": 0.2, "seed_sd": 0.0}
    open_ = _claimed(Claim.NOT_WORSE, _at(0.68, **noisy), _at(0.7, **noisy), speakers=5)
    assert [r.outcome for r in (better, slightly, worse)] == [Outcome.MET, Outcome.MET, Outcome.FAILED]
    assert slightly.estimate.low > -0.05 and "entirely above −0.05" in slightly.sentence
    assert "entirely below −0.05" in worse.sentence
    assert open_.outcome is Outcome.UNDECIDED and "instead of" in open_.sentence


def test_the_null_is_subtracted_speaker_by_speaker():
    """Intervals of arm and null overlap, as speakers differ by far more than the two do."""
    vmf = Truth(cos=(0.78, 0.78), white=(0.7, 0.7), speaker_sd=0.1, seed_sd=0.002)
    primary = _judge(vmf).criteria[0]
    assert primary.outcome is Outcome.MET
    assert primary.estimate.low < primary.white.high
    assert primary.excess.low > 0
    assert primary.excess.estimate == pytest.approx(primary.estimate.estimate - primary.white.estimate)
    assert primary.to_json()["excess"]["low"] == primary.excess.low
    assert "paired by speaker" in primary.sentence and "0.6 and above" in primary.sentence


def test_a_null_that_may_be_beaten_names_the_speakers_that_would_tell():
    vmf = Truth(cos=(0.86, 0.86), white=(0.84, 0.84), speaker_sd=0.05, seed_sd=0.001)
    judgement = _judge(vmf, speakers=6, seed=4)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "it is no evidence; to decide at this estimate it would take about" in judgement.reason
    excess = judgement.criteria[0].excess
    asked = int(judgement.reason.split("take about ")[1].split()[0])
    assert half_width(excess, asked, 6) < excess.estimate <= half_width(excess, asked - 1, 6)


def test_one_seed_of_a_null_is_no_more_certain_than_the_arm_s_own_seeds():
    """A lucky seed of the null, not the speakers, may have made the difference."""
    vmf = Truth(cos=(0.75, 0.75), white=(0.7, 0.7), speaker_sd=0.01, seed_sd=0.06)
    primary = _judge(vmf).criteria[0]
    assert primary.excess.error > primary.estimate.error
    both = 1 + 6 / 1  # six seeds of the arm, one of the null
    assert primary.excess.seed_variance == pytest.approx(primary.estimate.seed_variance * both)
    assert primary.excess.rest_variance == pytest.approx(primary.estimate.rest_variance * both)


def test_a_lucky_seed_of_the_null_is_not_mended_by_speakers():
    vmf = Truth(cos=(0.88, 0.88), white=(0.8, 0.8), speaker_sd=0.01, seed_sd=0.06)
    judgement = _judge(vmf, seed=2)
    assert judgement.criteria[0].excess.estimate > 0
    assert "it is no evidence; more test speakers alone would not be enough" in judgement.reason


@pytest.mark.parametrize(
    ("cosine", "success", "failure", "verdict"),
    [
        (0.68, 0.5, 0.4, "GO"),
        (0.68, 0.95, 0.9, "INCONCLUSIVE"),  # kept by the primary criterion, lost by the other
        (0.68, 0.95, 0.1, "INCONCLUSIVE"),  # ... left open by the other
        (0.05, 0.95, 0.9, "NO-GO"),
        (0.05, -0.5, -0.9, "INCONCLUSIVE"),  # lost by the primary criterion, kept by the other
        (0.05, 0.95, -0.9, "INCONCLUSIVE"),
    ],
)
def test_another_measure_of_the_same_thing_has_to_agree(cosine, success, failure, verdict):
    other = Criterion("the same", "cos@16", "vmf", success, failure, Role.AGREEING, source="made")
    study = dataclasses.replace(STUDY, criteria=(STUDY.primary, other))
    arms = evidence({"mdn": MDN, "vmf": _at(cosine)}, study=study)
    assert str(judge(study, arms).verdict) == verdict


@pytest.mark.parametrize(
    ("count", "said"), [(7, 7), (99, 99), (100, 100), (101, 110), (3753, 3800), (9990, 10000)]
)
def test_how_much_more_is_needed_is_told_in_two_digits(count, said):
    assert roughly(count) == said
