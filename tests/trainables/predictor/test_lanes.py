"""A pack is its lanes: neighbours, workers and interruptions change nothing."""

from collections.abc import Callable, Sequence

import pytest
import torch

from trainables.latents.windows import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.heads import Survey
from trainables.predictor.lanes import LaneAdamW, Pack
from trainables.predictor.train import LaneResult, SoloContext, train_pack

LANES = [
    Lane(seed=3, learning_rate=1e-2, weight_decay=0.1, kappa_prior=0.05, kappa_prior_ratio=2.0),
    Lane(seed=3, learning_rate=3e-3, scheduled_sampling=0.4),
    Lane(seed=8, learning_rate=1e-3, scheduled_sampling=0.1, surrogate="white"),
    Lane(seed=9, learning_rate=3e-3, surrogate="gaussian"),
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
        "dtype": "float64",
    }
    return Structure(head=head, **{**defaults, **settings})


def train(structure: Structure, lanes: Sequence[Lane], make_feed: Callable[..., Feed]) -> list[LaneResult]:
    feeds = [make_feed(surrogates=SURROGATES) for _ in range(2)]
    return train_pack(structure, lanes, *feeds, SoloContext(), evaluate_each_epoch=True)


@pytest.mark.parametrize(
    ("head", "settings"),
    [
        ("mdn", {"feedback": "mode"}),
        ("mdn", {"feedback": "sample", "backbone": "mlp"}),
        ("vmf", {"feedback": "mean", "rollout_target": "state"}),
        ("vmf", {"feedback": "sample", "backbone": "transformer", "width": 32}),
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


def test_lanes_of_other_settings_end_elsewhere(make_feed: Callable[..., Feed]) -> None:
    states = [
        result.state["backbone.readout.out.weight"] for result in train(structure("mdn"), LANES, make_feed)
    ]
    assert all(not torch.allclose(a, b, atol=1e-4) for i, a in enumerate(states) for b in states[:i])


def test_a_diverging_lane_stops_alone(make_feed: Callable[..., Feed]) -> None:
    bad = Lane(seed=3, learning_rate=float("inf"))
    good, lost = train(structure("mdn"), [LANES[0], bad], make_feed)
    (alone,) = train(structure("mdn"), [LANES[0]], make_feed)
    assert (good.status, lost.status, lost.scores) == ("finished", "diverged", None)
    assert torch.allclose(
        good.state["head.means.weight"], alone.state["head.means.weight"], rtol=0, atol=1e-9
    )


def test_an_interrupted_pack_goes_on_where_it_was(make_feed: Callable[..., Feed]) -> None:
    class Interrupted(SoloContext):
        saved: dict | None = None
        stop = True

        def report(self, progress: dict, state: dict | None = None) -> None:
            Interrupted.saved = state
            if self.stop:
                raise KeyboardInterrupt

        def restore(self) -> dict | None:
            return self.saved

    config = structure("vmf", teacher_epochs=2, rollout_epochs=1)
    with pytest.raises(KeyboardInterrupt):
        train_pack(config, LANES[:2], make_feed(), make_feed(), Interrupted(), evaluate_each_epoch=True)
    Interrupted.stop = False
    resumed = train_pack(config, LANES[:2], make_feed(), make_feed(), Interrupted(), evaluate_each_epoch=True)
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
    pack = Pack(structure("vmf"), [LANES[0], LANES[2], LANES[1]], 6, dict.fromkeys(SURROGATES, Survey(1.0)))
    first, other, same = (pack.lane_state(i)["head.mu.weight"] for i in range(3))
    assert torch.equal(first, same) and not torch.equal(first, other)
