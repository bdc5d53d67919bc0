"""A pack is its lanes: neighbours, workers and interruptions change nothing."""

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.pack import StackedPack
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training import train as training
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

LANES = [
    Lane(seed=3, learning_rate=1e-2, weight_decay=0.1, kappa_prior=0.05, kappa_prior_ratio=2.0),
    Lane(seed=3, learning_rate=3e-3, scheduled_sampling=0.4),
    Lane(seed=8, learning_rate=1e-3, scheduled_sampling=0.1, surrogate="white"),
    Lane(seed=9, learning_rate=3e-3, surrogate="gaussian", input_noise=0.1),
]
SURROGATES = ("real", "white", "gaussian")


def structure(head: str, **settings: object) -> Structure:
    defaults = {
        "backbone": "gru",
        "width": 16,
        "context": 6,
        "rollout": 4,
        "horizon": 5,
        "components": 3,
        "batch": 8,
        "steps": 6,
        "teacher_epochs": 1,
        "rollout_epochs": 1,
        "marginal_steps": 5,
        "dtype": "float64",
    }
    return Structure(head=head, **{**defaults, **settings})


def train(structure: Structure, lanes: Sequence[Lane], make_feed: Callable[..., Feed]) -> list[LaneResult]:
    return train_pack(structure, lanes, *_both(make_feed), SoloContext(), evaluate_each_epoch=True)


def _both(make_feed: Callable[..., Feed]) -> list[Feed]:
    """To learn from, and to be judged on."""
    return [make_feed(surrogates=SURROGATES) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "settings"),
    [
        ("mdn", {"feedback": "mode"}),
        ("mdn", {"feedback": "sample", "backbone": "mlp"}),
        ("vmf", {"feedback": "mean", "rollout_target": "state"}),
        ("vmf", {"feedback": "sample", "backbone": "transformer", "width": 32}),
        ("movmf", {"feedback": "sample", "rollout_branches": "marginal"}),
        ("vmf", {"rollout_target": "state", "jacobian": False, "magnitude": "marginal"}),
        ("mdn", {"feedback": "sample", "covariance": "low_rank", "temperature": 0.8}),
        ("flow", {"feedback": "mean"}),
        ("flow_matching", {"rollout_gradient": "stopped"}),
        ("mdn", {"rollout_loss": "mixed", "rollout_draws": 3}),
        ("gaussian", {"rollout_loss": "energy", "rollout_gradient": "stopped", "inference_noise": 0.1}),
        ("diffusion", {"solver_steps": 4, "draws": 2}),
        ("mean_flow", {"feedback": "sample"}),
        ("energy", {"feedback": "sample", "temperature": 0.8, "rollout_loss": "mixed"}),
    ],
)
def test_four_lanes_end_like_four_solo_runs(
    head: str, settings: dict, make_feed: Callable[..., Feed]
) -> None:
    together = train(structure(head, **settings), LANES, make_feed)
    for lane, own in zip(LANES, together, strict=True):
        (alone,) = train(structure(head, **settings), [lane], make_feed)
        assert own.status == alone.status == "finished"
        for name, value in alone.state.items():
            assert torch.allclose(own.state[name], value, rtol=0, atol=1e-9), name


def test_a_lane_beside_one_with_mixed_inputs_ends_like_a_solo_run(make_feed: Callable[..., Feed]) -> None:
    lanes = [LANES[0], Lane(seed=3, learning_rate=1e-2, input_mix=0.5)]
    whole = structure("vmf", magnitude_spread=0.5, clean_context=True)
    plain, mixed = train(whole, lanes, make_feed)
    for lane, own in zip(lanes, (plain, mixed), strict=True):
        (alone,) = train(whole, [lane], make_feed)
        for name, value in alone.state.items():
            assert torch.allclose(own.state[name], value, rtol=0, atol=1e-9), name
    assert mixed.history[0]["loss"] > plain.history[0]["loss"] + 0.1


def test_each_lane_is_judged_at_the_temperature_of_its_best_runs(make_feed: Callable[..., Feed]) -> None:
    """Nothing is trained again: the weights are those of a lane judged at any one of them."""
    swept = structure("mdn", temperatures="0.2,1", objective="energy_skill@1-5", rollout_epochs=0)
    results = train(swept, LANES[:2], make_feed)
    values = []
    for at in (0.2, 1.0):
        fixed = train(replace(swept, temperatures="", temperature=at), LANES[:2], make_feed)
        values.append([Scores.from_json(r.scores).value(swept.objective) for r in fixed])
        for own, other in zip(results, fixed, strict=True):
            assert all(torch.equal(own.state[name], other.state[name]) for name in own.state)
    best = [max(pair) for pair in zip(*values, strict=True)]
    assert [Scores.from_json(r.scores).value(swept.objective) for r in results] == best
    expected = [0.2 if cool > warm else 1.0 for cool, warm in zip(*values, strict=True)]
    assert [r.details["temperature"] for r in results] == expected


def test_each_lane_is_judged_at_its_own_temperature_as_if_it_were_alone(
    make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, at = structure("mdn", objective="energy_skill@1-5", rollout_epochs=0), (0.2, 1.0, 0.2)
    fixed = {t: train(replace(own, temperature=t), LANES[:3], make_feed) for t in set(at)}
    monkeypatch.setattr(training, "_temperatures", lambda *_: list(at))
    swept = train(replace(own, temperatures="0.2,1"), LANES[:3], make_feed)
    assert [result.details["temperature"] for result in swept] == list(at)
    for place, temperature in enumerate(at):
        found, expected = (Scores.from_json(r[place].scores) for r in (swept, fixed[temperature]))
        for name, sums in expected.sums.items():
            np.testing.assert_allclose(found.sums[name], sums, rtol=1e-12, err_msg=name)
        assert all(torch.equal(swept[place].state[k], v) for k, v in fixed[temperature][place].state.items())


def test_lanes_of_other_settings_end_elsewhere(make_feed: Callable[..., Feed]) -> None:
    states = [
        result.state["backbone.inner.readout.out.weight"]
        for result in train(structure("mdn"), LANES, make_feed)
    ]
    assert all(not torch.allclose(a, b, atol=1e-4) for i, a in enumerate(states) for b in states[:i])


@pytest.mark.parametrize(("target", "same"), [("delta", True), ("state", False)])
def test_without_the_jacobian_lanes_end_where_they_did_unless_the_run_moves_its_target(
    target: str, same: bool, make_feed: Callable[..., Feed]
) -> None:
    whole = structure("vmf", rollout_target=target)
    ends = [train(s, LANES, make_feed) for s in (whole, replace(whole, jacobian=False))]
    for a, b in zip(*ends, strict=True):
        assert a.history[0]["loss"] != pytest.approx(b.history[0]["loss"], abs=0.1)
        assert all(torch.equal(a.state[name], b.state[name]) for name in a.state) is same
        assert (a.scores == b.scores) is same  # with the same weights, the same likelihood too


# What a study may train the winner with in the place of a component.
NEUTRAL = [
    {"kappa_prior": 0.0},
    {"scheduled_sampling": 0.0},
    {"feedback": "mode"},
    {"rollout_epochs": 0, "teacher_epochs": 2},
    {"magnitude": "marginal"},
    {"rollout_target": "state", "jacobian": False},
]


@pytest.mark.parametrize("settings", NEUTRAL, ids=str)
def test_every_component_can_be_taken_out(settings: dict, make_feed: Callable[..., Feed]) -> None:
    lane = Lane(seed=3, learning_rate=1e-2, kappa_prior=0.5, kappa_prior_ratio=5.0, scheduled_sampling=0.5)
    given = LaneConfig.of({**asdict(structure("vmf")), **asdict(lane)})
    ends = []
    for config in (given, given | settings):
        (result,) = train(config.structure, [config.lane], make_feed)
        assert (result.status, len(result.history)) == (LaneStatus.FINISHED, 2)
        ends.append(result.state["head.inner.mu.weight"])
    assert not torch.allclose(*ends, rtol=0, atol=1e-6)


def test_a_diverging_lane_stops_alone(make_feed: Callable[..., Feed]) -> None:
    bad = Lane(seed=3, learning_rate=float("inf"))
    good, lost = train(structure("mdn"), [LANES[0], bad], make_feed)
    (alone,) = train(structure("mdn"), [LANES[0]], make_feed)
    assert (good.status, lost.status, lost.scores) == ("finished", "diverged", None)
    assert torch.allclose(
        good.state["head.inner.means.weight"], alone.state["head.inner.means.weight"], rtol=0, atol=1e-9
    )


def test_a_pack_of_diverged_lanes_ends(make_feed: Callable[..., Feed]) -> None:
    bad = [Lane(seed=seed, learning_rate=float("inf")) for seed in (1, 2)]
    context = SoloContext()
    feeds = make_feed(), make_feed()
    lost = train_pack(structure("vmf"), bad, *feeds, context, evaluate_each_epoch=True)
    assert [result.status for result in lost] == [LaneStatus.DIVERGED] * 2
    assert len(context.reports) == 1  # nothing was trained after the epoch in which all were lost


def test_an_interrupted_pack_of_diverged_lanes_ends(make_feed: Callable[..., Feed]) -> None:
    bad = [Lane(seed=seed, learning_rate=float("inf")) for seed in (1, 2)]
    context = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        train_pack(structure("vmf"), bad, make_feed(), make_feed(), context, evaluate_each_epoch=True)
    lost = train_pack(structure("vmf"), bad, make_feed(), make_feed(), context, evaluate_each_epoch=True)
    assert [result.status for result in lost] == [LaneStatus.DIVERGED] * 2


def test_what_is_fitted_is_never_wrapped_for_training(make_feed: Callable[..., Feed]) -> None:
    class Distributed(SoloContext):
        def prepare(self, module: torch.nn.Module) -> torch.nn.Module:
            raise RuntimeError("a module without gradients cannot be data-parallel")

    lanes = [Lane(ridge=1e-2), Lane(ridge=1e-4)]
    results = train_pack(
        structure("linear"), lanes, make_feed(), make_feed(), Distributed(), evaluate_each_epoch=True
    )
    assert [result.status for result in results] == [LaneStatus.FINISHED] * 2


class Interrupted(SoloContext):
    """Stops after the first report; restores it."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: io.BytesIO | None = None

    def report(self, progress: dict, state: dict | None = None) -> None:
        super().report(progress, state)
        if self.saved is None:
            self.saved = io.BytesIO()
            torch.save(state, self.saved)
            raise KeyboardInterrupt

    def restore(self) -> dict | None:
        """As a depot gives it back: plain values and tensors, nothing that could run."""
        if self.saved is None:
            return None
        self.saved.seek(0)
        return torch.load(self.saved, weights_only=True)


HALVED = structure("vmf", rung_epochs=1, objective="cos@1", teacher_epochs=2)


def test_rungs_drop_the_worse_half_and_disturb_nobody(make_feed: Callable[..., Feed]) -> None:
    halved, whole = train(HALVED, LANES, make_feed), train(replace(HALVED, rung_epochs=0), LANES, make_feed)
    left = [i for i, result in enumerate(halved) if result.status == LaneStatus.FINISHED]
    stopped = [i for i, result in enumerate(halved) if result.status == LaneStatus.STOPPED]
    assert len(left) == 1 and len(stopped) == 3
    for rung, survivors in ((0, 2), (1, 1)):
        here = [result.history[rung]["cos@1"] for result in halved if len(result.history) > rung]
        best = sorted(here, reverse=True)[:survivors]
        kept = [r.history[rung]["cos@1"] for r in halved if len(r.history) > rung + 1]
        assert sorted(kept, reverse=True) == best
    (winner,) = left
    for name, value in halved[winner].state.items():
        assert torch.allclose(whole[winner].state[name], value, rtol=0, atol=1e-9), name
    for i in stopped:
        early = whole[i].history[: len(halved[i].history)]
        assert [h["loss"] for h in early] == pytest.approx([h["loss"] for h in halved[i].history], abs=1e-9)
        assert Scores.from_json(halved[i].scores).value("cos@1") == halved[i].history[-1]["cos@1"]


def test_a_halved_pack_goes_on_where_it_was(make_feed: Callable[..., Feed]) -> None:
    context = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        train_pack(HALVED, LANES, *_both(make_feed), context, evaluate_each_epoch=True)
    resumed = train_pack(HALVED, LANES, *_both(make_feed), context, evaluate_each_epoch=True)
    straight = train(HALVED, LANES, make_feed)
    for a, b in zip(resumed, straight, strict=True):
        assert (a.status, a.scores, len(a.history)) == (b.status, b.scores, len(b.history))


def test_confirmation_drops_nobody(make_feed: Callable[..., Feed]) -> None:
    results = train_pack(HALVED, LANES, *_both(make_feed), SoloContext(), evaluate_each_epoch=False)
    assert [result.status for result in results] == [LaneStatus.FINISHED] * 4


def test_an_interrupted_pack_goes_on_where_it_was(make_feed: Callable[..., Feed]) -> None:
    config = structure("vmf", teacher_epochs=2, rollout_epochs=1)
    context = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        train_pack(config, LANES[:2], make_feed(), make_feed(), context, evaluate_each_epoch=True)
    resumed = train_pack(config, LANES[:2], make_feed(), make_feed(), context, evaluate_each_epoch=True)
    straight = train(config, LANES[:2], make_feed)
    assert [len(result.history) for result in resumed] == [3, 3]
    for a, b in zip(resumed, straight, strict=True):
        assert all(torch.allclose(a.state[name], b.state[name], rtol=0, atol=1e-12) for name in b.state)


def test_lane_adamw_is_adamw() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(3, 4, 2).double(), torch.randn(5, 3, 4, 2).double() * 0.1
    rates, decays = torch.tensor([1e-1, 1e-2, 1e-3]).double(), torch.tensor([0.0, 0.1, 0.5]).double()
    stacked = torch.nn.Parameter(start.clone())
    ours = LaneAdamW([stacked], rates, decays)
    solo = [torch.nn.Parameter(p.clone()) for p in start]
    theirs = [
        torch.optim.AdamW(
            [p], lr=float(r), weight_decay=float(d), betas=LaneAdamW.betas, eps=LaneAdamW.epsilon
        )
        for p, r, d in zip(solo, rates, decays, strict=True)
    ]
    for gradient in gradients:
        stacked.grad = gradient.clone()
        ours.step(1.0)
        for p, g, optimiser in zip(solo, gradient, theirs, strict=True):
            p.grad = g.clone()
            optimiser.step()
    assert torch.allclose(stacked, torch.stack(solo), atol=1e-12)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    pack = StackedPack(
        structure("vmf"), [LANES[0], LANES[2], LANES[1]], 6, dict.fromkeys(SURROGATES, Survey(1.0))
    )
    first, other, same = (pack.lane_state(i)["head.inner.mu.weight"] for i in range(3))
    assert torch.equal(first, same) and not torch.equal(first, other)
