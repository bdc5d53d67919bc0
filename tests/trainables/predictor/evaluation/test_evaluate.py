"""Every metric against a slow reading of its definition, frame by frame."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.trainables.predictor.conftest import utterance_table
from trainables.distributions.frame_flow import FlowSettings, FrameFlow
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.predictor.config import FEEDBACKS, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.evaluation.continuation import continue_from
from trainables.predictor.evaluation.evaluate import baseline_scores, evaluate
from trainables.predictor.evaluation.metrics import figures_of
from trainables.predictor.evaluation.options import (
    EVERYTHING,
    FREE_RUNS,
    ONE_STEP,
    EvaluationOptions,
    look_options,
    sampled_runs,
)
from trainables.predictor.evaluation.tally import tally
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.scores import MARGINALS, Scores, is_curve, merge
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

CONTEXT, HORIZON = 6, 5
RUNS = {"cos", "log_magnitude_ratio", "state_error", "runaway"}


def structure(head: str, feedback: str = "mean") -> Structure:
    return Structure(
        head=head, width=16, context=CONTEXT, horizon=HORIZON, feedback=feedback, dtype="float64"
    )


def slow_scores(structure: Structure, predictor: Predictor, feed: Feed) -> dict[str, dict[str, list]]:
    """speaker -> metric -> values, by loops over windows and steps."""
    shard, found = feed.shard(0), {}
    for u, speaker in enumerate(shard.speakers):
        z = shard.frames_SND[0, shard.offsets[u] : shard.offsets[u + 1]]
        own = found.setdefault(
            speaker, {"nll": [], "one_step_cosine": [], "cos": [], "ratio": [], "error": []}
        )
        for start in range(0, len(z) - CONTEXT - HORIZON + 1, HORIZON):
            now = start + CONTEXT - 1
            (run,) = continue_from(
                structure, predictor.state_dict(), z[None, start : now + 1], HORIZON, ["z"]
            )
            path = torch.cat([z[now : now + 1], run])
            for k in range(HORIZON):
                true, moved = z[now + k + 1] - z[now + k], path[k + 1] - path[k]
                law = predictor.head(predictor.backbone.read(z[None, start : now + k + 1])[0][0, -1])
                own["nll"].append(-law.log_prob(true).item())
                own["one_step_cosine"].append(torch.cosine_similarity(law.direction(), true, 0).item())
                own["cos"].append((k, torch.cosine_similarity(moved, true, 0).item()))
                own["ratio"].append((k, (moved.norm() / true.norm()).item()))
                own["error"].append(
                    (k, (path[k + 1] - z[now + k + 1]).norm().item() / shard.moments.frame_distance)
                )
    return found


@pytest.mark.parametrize("head", ["mdn", "vmf"])
@pytest.mark.parametrize("feedback", [rule for rule in FEEDBACKS if rule != "sample"])
def test_metrics_are_their_definitions(head: str, feedback: str, make_feed: Callable[..., Feed]) -> None:
    torch.manual_seed(4)
    config, feed = structure(head, feedback), make_feed()
    predictor = Predictor(config, 6).double()
    with torch.no_grad():
        slow = slow_scores(config, predictor, feed)
    (scores,) = evaluate(config, Stacked([predictor]), ["real"], feed, feed.shard(0).moments)
    for row, speaker in enumerate(scores.speakers):
        own = slow[speaker]
        assert scores.sums["nll"][row] == pytest.approx(sum(own["nll"]), rel=1e-9)
        assert scores.sums["one_step_cosine"][row] == pytest.approx(sum(own["one_step_cosine"]), rel=1e-9)
        assert scores.counts["nll"][row] == len(own["nll"])
        for name, key in (("cos", "cos"), ("log_magnitude_ratio", "ratio"), ("state_error", "error")):
            for k in range(HORIZON):
                values = [v for step, v in own[key] if step == k]
                if key == "ratio":
                    geometric = math.exp(np.mean(np.log(values)))
                    numerators, counts = scores.per_speaker(f"magnitude_ratio@{k + 1}")
                    assert numerators[row] / counts[row] == pytest.approx(geometric, rel=1e-9)
                    values = [math.log(v) for v in values]
                assert scores.sums[name][row, k] == pytest.approx(sum(values), rel=1e-9, abs=1e-9)
                assert scores.counts[name][row, k] == len(values)


def thorough(config: Structure, feed: Feed) -> Scores:
    torch.manual_seed(4)
    predictor = Predictor(config, 6).double()
    data = PreparedData.from_feed(feed)
    marginals = Marginals.fit(replace(config, marginal_steps=5), data)
    stacked = Stacked([predictor])
    (scores,) = evaluate(config, stacked, ["real"], feed, data.moments, marginals, options=EVERYTHING)
    return scores


def test_injection_a_is_teacher_forcing_and_d_the_free_run(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    scores = thorough(structure("gaussian"), feed)
    one_step = scores.value("one_step_cosine")  # a Gaussian points along its mean, which is fed back
    assert np.mean(scores.curve("cos_A")) == pytest.approx(one_step, abs=1e-9)
    errors, free = {name: scores.curve(f"state_error_{name}") for name in "ABC"}, scores.curve("state_error")
    assert errors["B"][:4] == pytest.approx(free[:4], abs=1e-12) and errors["B"][4] < free[4]
    assert errors["C"][1] == pytest.approx(errors["A"][1], abs=1e-12) and errors["C"][0] == errors["A"][0]
    # Put back after every step, a run errs by one step alone.
    shard, config = feed.shard(0), structure("gaussian")
    torch.manual_seed(4)
    predictor = Predictor(config, 6).double()
    starts, _ = shard.evaluation_windows(CONTEXT, HORIZON)
    z = torch.stack([shard.frames_SND[0, s : s + CONTEXT + HORIZON] for s in starts])
    with torch.no_grad():
        step = predictor.head(predictor.backbone.read(z[:, :-1])[0]).mean()[:, CONTEXT - 1 :]
    miss = (step - (z[:, CONTEXT:] - z[:, CONTEXT - 1 : -1])).norm(dim=-1) / shard.moments.frame_distance
    assert errors["A"] == pytest.approx(miss.mean(0).numpy(), abs=1e-9)
    for name in ("A", "B", "C"):  # the first step of every run is the free run's
        assert scores.curve(f"cos_{name}")[0] == pytest.approx(scores.curve("cos")[0], abs=1e-12)
    assert scores.curve("cos_C")[1] == pytest.approx(scores.curve("cos_A")[1], abs=1e-12)
    # B is put back to the truth after the fourth step, C never again after the first.
    assert scores.curve("cos_B")[3] == pytest.approx(scores.curve("cos")[3], abs=1e-12)
    assert scores.curve("cos_B")[4] != pytest.approx(scores.curve("cos")[4], abs=1e-6)
    assert scores.curve("cos_C")[3] != pytest.approx(scores.curve("cos_A")[3], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "curves"),
    [
        (ONE_STEP, set()),
        (FREE_RUNS, RUNS),
        (EvaluationOptions(inject=True), RUNS | {f"{curve}_{name}" for curve in RUNS for name in "ABC"}),
        (EvaluationOptions(free_running=False, sampled=True), {"energy_score", "crps", "runaway_sampled"}),
    ],
    ids=["one step", "free runs", "injections", "samples"],
)
def test_an_evaluation_measures_what_its_options_say(
    options: EvaluationOptions, curves: set[str], make_feed: Callable[..., Feed]
) -> None:
    config, feed = structure("mdn"), make_feed()
    stacked = Stacked([Predictor(config, 6).double()])
    (scores,) = evaluate(config, stacked, ["real"], feed, feed.shard(0).moments, options=options)
    assert {name for name in scores.sums if is_curve(name)} == curves
    assert {"nll", "one_step_cosine", "log_magnitude"} < set(scores.sums)


@pytest.mark.parametrize(
    ("objective", "one_step"),
    [
        ("cos@2", {"one_step_cosine"}),
        ("log_magnitude_r2", {"one_step_cosine", "log_magnitude"}),
        ("energy_skill@1-3", set()),
    ],
)
def test_a_look_measures_what_lanes_are_ranked_by_and_no_more_of_one_step_than_that(
    objective: str, one_step: set[str], make_feed: Callable[..., Feed]
) -> None:
    config, feed = replace(structure("vmf"), objective=objective), make_feed()
    moments, climate = feed.shard(0).moments, {"real": torch.randn(50, 6, dtype=torch.float64)}
    stacked = Stacked([Predictor(config, 6).double()])

    def measured(options: EvaluationOptions) -> Scores:
        return evaluate(config, stacked, ["real"], feed, moments, options=options, climate=climate)[0]

    look, whole = measured(look_options(config, 0)), measured(EVERYTHING)
    assert one_step == {"one_step_cosine", "log_magnitude"} & set(look.sums)
    assert look.value(objective) == whole.value(objective)
    assert RUNS < set(look.sums)
    runs = measured(sampled_runs(config, 0))
    assert runs.value("energy_skill@1-3") == whole.value("energy_skill@1-3")
    assert not {*RUNS, "one_step_cosine", "log_magnitude"} & set(runs.sums)


def test_proper_scores_of_sampled_runs_rank_heads_with_and_without_a_density(
    make_feed: Callable[..., Feed],
) -> None:
    config = {"steps": 60, "teacher_epochs": 2, "rollout_epochs": 0, "rollout": 4, "batch": 16}
    scores = {}
    for head in ("linear", "persistence", "flow_matching"):
        lanes, own = [Lane(learning_rate=1e-2)], replace(structure(head), **config)
        feeds = make_feed(), make_feed()
        (result,) = train_pack(own, lanes, *feeds, SoloContext(), evaluate_each_epoch=False)
        scores[head] = Scores.from_json(result.scores)
    for metric in ("energy_score@1", "crps@1", "energy_score@5"):
        values = {head: own.value(metric) for head, own in scores.items()}
        assert values["linear"] < values["persistence"]
        assert values["flow_matching"] < values["persistence"]
    assert "nll" not in scores["flow_matching"].sums  # no likelihood is claimed
    with pytest.raises(KeyError):
        scores["flow_matching"].value("predictive_information")


def test_a_fitted_heads_family_is_the_full_gaussian() -> None:
    """Noise whose dimensions go together holds no information; a diagonal marginal would find some."""
    mixed = np.random.default_rng(5).normal(size=(6, 6))
    rng = np.random.default_rng(0)
    table = utterance_table({f"s{i}-0": rng.normal(size=(400, 6)) @ mixed for i in range(6)})
    feed = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)
    (result,) = train_pack(
        structure("linear"), [Lane()], feed, feed, SoloContext(), evaluate_each_epoch=False
    )
    assert Scores.from_json(result.scores).value("predictive_information") == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("name", ["energy_score", "nll"])
def test_a_diverged_figure_stays_visible(name: str, make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    shard = feed.shard(0)
    figures = {name: torch.ones(2, HORIZON).double(), "cos": torch.full((2, HORIZON), torch.nan).double()}
    figures[name][0, 2] = torch.nan
    scores = tally(figures, shard, np.array([0, 1]), feed.frame_rate, HORIZON)
    assert not np.isfinite(scores.sums[name]).all() and scores.counts["cos"].sum() == 0


def test_mean_reversion_on_white_noise_scores_one_over_root_two() -> None:
    rng = np.random.default_rng(0)
    table = utterance_table({f"s{i}-0": rng.normal(size=(400, 64)) for i in range(6)})
    feed = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)
    scores = baseline_scores(feed, feed.shard(0).moments, CONTEXT, HORIZON)
    assert scores["mean"].value("cos@1") == pytest.approx(math.sqrt(0.5), abs=0.01)
    assert scores["mean"].value("cos@2") == 0
    still = [scores["mean"].value("magnitude_ratio@2"), scores["persistence"].value("magnitude_ratio@1")]
    assert still == pytest.approx([1e-3, 1e-3]), "the smallest ratio that is told from standing still"
    assert scores["persistence"].value("state_error@3") == pytest.approx(1, abs=0.02)


def test_frames_that_do_not_move_have_no_direction_but_a_likelihood() -> None:
    frames = np.random.default_rng(0).normal(size=(40, 6))
    frames[10:30] = frames[10]
    table = utterance_table({"s-0": frames, "t-0": np.random.default_rng(1).normal(size=(40, 6))})
    feed = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)
    config = structure("vmf")
    (scores,) = evaluate(
        config, Stacked([Predictor(config, 6).double()]), ["real"], feed, feed.shard(0).moments
    )
    still, moving = scores.counts["cos"].sum(1)
    assert (
        still == moving - 19
        and scores.counts["one_step_cosine"].tolist() == scores.counts["cos"].sum(1).tolist()
    )
    assert scores.counts["nll"].tolist() == [30, 30] and np.isfinite(scores.sums["nll"]).all()


@pytest.mark.slow
def test_marginals_know_the_entropy_of_white_noise() -> None:
    rng = np.random.default_rng(0)
    table = utterance_table({f"s{i}-0": rng.normal(size=(500, 8)) for i in range(8)})
    feed = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, surrogates=("real", "white"))
    now, following = (torch.randn(2000, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    entropy = 4 * math.log(2 * math.pi * math.e)
    for head in ("mdn", "vmf"):
        marginals = Marginals.fit(structure(head), PreparedData.from_feed(feed))
        nll = marginals.nll("white", following, following - now)
        assert nll["marginal_nll"].mean().item() == pytest.approx(entropy, abs=0.25)
        assert nll["gaussian_marginal_nll"].mean().item() == pytest.approx(entropy, abs=0.1)
        assert nll["gaussian_delta_nll"].mean().item() == pytest.approx(entropy + 4 * math.log(2), abs=0.1)


@pytest.mark.parametrize("head", ["mdn", "vmf"])
def test_a_density_without_a_past_is_the_same_whatever_else_is_fitted_beside(head: str) -> None:
    rng = np.random.default_rng(0)
    table = utterance_table({"s0-0": rng.normal(size=(400, 4))})
    feed = Feed(lambda: [table], rms=1.0, lattice_step=None, frame_rate=50.0, surrogates=("real", "white"))
    config, data = replace(structure(head), marginal_steps=10), PreparedData.from_feed(feed)
    now, following = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(1))
    beside, alone = (
        Marginals.fit(config, data, surrogates=names).nll("white", following, following - now)
        for names in (None, {"white"})
    )
    assert beside.keys() == alone.keys() and {"marginal_nll", "delta_nll"} < alone.keys()
    for name, nll in alone.items():
        torch.testing.assert_close(nll, beside[name])


@pytest.mark.parametrize("bent", [True, False])
def test_information_is_against_the_density_that_suits_validation_speakers_best(bent: bool) -> None:
    """A flow that knows how frames are bent is chosen; one that was fitted to others is not."""
    rng = np.random.default_rng(0)

    def frames(count: int) -> np.ndarray:
        first = rng.normal(size=(count, 500, 1))
        return np.concatenate([first, first**2 + 0.2 * rng.normal(size=(count, 500, 3))], -1)

    train, validation, test = (
        Feed(lambda table=table: [table], rms=1.0, lattice_step=None, frame_rate=50.0, dtype=torch.float64)
        for table in (utterance_table({f"s{i}-0": f for i, f in enumerate(frames(n))}) for n in (8, 3, 3))
    )
    settings = FlowSettings(transforms=2, hidden=(32, 32), batch=256, steps=300)
    known = train.shard(0).frames_SND[0] if bent else torch.from_numpy(rng.normal(size=(4000, 4)))
    flow = FrameFlow.fit_to(known, validation.shard(0).frames_SND[0], 0, settings)
    config, data = replace(structure("vmf"), marginal_steps=20), PreparedData.from_feed(train)
    marginals = Marginals.fit(config, data, flows={"real": flow})
    marginals.choose(validation)
    predictor = Stacked([Predictor(config, 4).double()])
    (scores,) = evaluate(config, predictor, ["real"], test, data.moments, marginals)
    nll = {name: scores.value(name) for name in MARGINALS}
    assert (scores.marginal == "flow_marginal_nll") == bent
    assert nll[scores.marginal] == min(nll.values())
    information = scores.value("predictive_information")
    assert information == pytest.approx(min(nll.values()) - scores.value("nll"))
    again = merge([Scores.from_json(scores.to_json())])
    assert again.value("predictive_information") == pytest.approx(information)
    bits = again.value("predictive_bits_per_second")
    assert bits == pytest.approx(50 * information / math.log(2))


def test_scores_survive_json_and_merging(make_feed: Callable[..., Feed], spiral_table: pa.Table) -> None:
    config = structure("mdn")
    stacked = Stacked([Predictor(config, 6).double()])
    moments = make_feed().shard(0).moments
    (whole,) = evaluate(config, stacked, ["real"], make_feed(), moments)
    parts = [
        evaluate(config, stacked, ["real"], make_feed(spiral_table.slice(*cut)), moments)[0]
        for cut in ((0, 5), (5, 7))
    ]
    again = merge(Scores.from_json(part.to_json()) for part in parts)
    assert again.speakers == whole.speakers
    for metric in ("nll", "cos@3", "magnitude_ratio@5", "log_magnitude_r2"):
        assert again.value(metric) == pytest.approx(whole.value(metric), rel=1e-12)
    with pytest.raises(KeyError):
        whole.per_speaker("predictive_information")  # not measured is not zero


def test_climatology_has_no_skill_and_the_truth_has_all(make_feed: Callable[..., Feed]) -> None:
    feed = make_feed()
    data, shard = PreparedData.from_feed(feed), feed.shard(0)
    climate_SD = data.climate()["real"]
    starts, owners = shard.evaluation_windows(CONTEXT, HORIZON)
    windows = shard.gather(torch.from_numpy(starts)[None], CONTEXT + HORIZON, torch.zeros(1).long())[0]
    states = windows[:, CONTEXT:]
    before = windows[:, CONTEXT - 1 : -1]
    picked = torch.randint(len(climate_SD), (200, *states.shape[:2]), generator=torch.manual_seed(3))
    skills = {}
    for name, reached_SBKD in (
        ("climatology", climate_SD[picked]),
        ("truth", states.expand(4, *states.shape)),
    ):
        path = torch.cat(
            [windows[:, CONTEXT - 1 : CONTEXT].expand(len(reached_SBKD), -1, -1, -1), reached_SBKD], 2
        )
        measured = {
            "direction": states - before,
            "log_magnitude": torch.zeros(states.shape[:2]).double(),
            "ensemble": path[:, :, 1:] - path[:, :, :-1],
        }
        config = structure("mdn")
        figures = figures_of(config, windows, measured, data.moments, "real", None, climate_SD)
        scores = tally(figures, shard, owners, 50.0, HORIZON)
        skills[name] = [scores.value(f"energy_skill@{k}") for k in (1, HORIZON)]
    assert skills["truth"] == pytest.approx([1, 1], abs=1e-9)
    assert skills["climatology"] == pytest.approx([0, 0], abs=0.02)
    whole = 1 - scores.sums["energy_score"].sum() / scores.sums["energy_score_of_climate"].sum()
    assert scores.value(f"energy_skill@1-{HORIZON}") == pytest.approx(whole)


def test_lanes_of_a_surrogate_share_what_no_predictor_decides(
    make_feed: Callable[..., Feed],
) -> None:
    feed = make_feed()
    data, shard = PreparedData.from_feed(feed), feed.shard(0)
    starts, _ = shard.evaluation_windows(CONTEXT, HORIZON)
    windows = shard.gather(torch.from_numpy(starts)[None], CONTEXT + HORIZON, torch.zeros(1).long())[0]
    step = windows[:, CONTEXT:] - windows[:, CONTEXT - 1 : -1]
    measured = {
        "direction": step,
        "log_magnitude": step.norm(dim=-1).log(),
        "ensemble": torch.stack([step, 0.9 * step]),
    }
    asked = (structure("mdn"), windows, measured, data.moments, "real", None, data.climate()["real"])
    alone, known = figures_of(*asked), {}
    for _ in range(2):
        together = figures_of(*asked, known)
        assert list(together) == list(alone)
        for name, values in alone.items():
            torch.testing.assert_close(together[name], values, rtol=0, atol=0, equal_nan=True)
        assert set(known) == {"real"} and set(known["real"]) == {"energy_score_of_climate"}
    known["real"]["energy_score_of_climate"] = torch.zeros(1)
    assert figures_of(*asked, known)["energy_score_of_climate"].tolist() == [0.0]
