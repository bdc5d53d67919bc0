"""A pack prepares its data once, and says so where there is nothing to train."""

from collections.abc import Callable

import pytest
import torch

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.predictor.config import Lane, Structure
from trainables.predictor.training.pack_run import PackRun
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

SMALL = {"width": 8, "context": 5, "rollout": 3, "horizon": 4, "batch": 6, "steps": 2, "components": 3}
SHORT = {"teacher_epochs": 1, "rollout_epochs": 1, "marginal_steps": 3, "dtype": "float64"}


@pytest.mark.parametrize(
    ("head", "each_epoch", "objective"),
    [
        ("vmf", False, "cos@1"),
        ("prototypes", False, "cos@1"),
        ("linear", False, "cos@1"),
        ("vmf", True, "predictive_information_gaussian"),
    ],
)
def test_data_are_prepared_once_per_pack(
    head: str,
    each_epoch: bool,
    objective: str,
    make_feed: Callable[..., Feed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    made = PreparedData._looked_through

    def counted(*args: object) -> PreparedData:
        calls.append(args)
        return made(*args)

    monkeypatch.setattr(PreparedData, "_looked_through", counted)
    own = Structure(head=head, objective=objective, **SMALL, **SHORT)
    feed = make_feed()
    train_pack(own, [Lane()], feed, make_feed(), SoloContext(), evaluate_each_epoch=each_epoch)
    assert len(calls) == 1
    train_pack(own, [Lane()], feed, make_feed(), SoloContext(), evaluate_each_epoch=each_epoch)
    assert len(calls) == 1, "a reused actor knows its data"


def test_what_is_known_of_a_stream_in_chunks_is_known_of_all_of_it(make_feed: Callable[..., Feed]) -> None:
    structure = Structure(head="vmf", **SMALL, **SHORT)
    whole = PackRun(structure, [Lane()], make_feed(), SoloContext())
    feed = make_feed(budget_bytes=1)
    feed.shard(7)  # what ran before leaves no trace
    run = PackRun(structure, [Lane()], feed, SoloContext())
    assert len(feed.chunks_of_all) == 12
    assert torch.equal(run.data.pairs_2SND, whole.data.pairs_2SND)
    torch.testing.assert_close(run.data.moments.mean_D, whole.data.moments.mean_D, rtol=1e-12, atol=1e-12)
    assert run.data.moments.frames == whole.data.moments.frames


def test_a_fitted_head_has_nothing_to_train(make_feed: Callable[..., Feed]) -> None:
    run = PackRun(Structure(head="linear", **SMALL, **SHORT), [Lane()], make_feed(), SoloContext())
    assert run.step is None
    with pytest.raises(RuntimeError, match="nothing to train"):
        run.train_epoch(0)
