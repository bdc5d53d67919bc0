"""A pack prepares its data once, and says so where there is nothing to train."""

from collections.abc import Callable

import pyarrow as pa
import pytest
import torch

from trainables.latents.batching import prepared_data
from trainables.latents.batching.feed import Feed
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

    def counted(name: str) -> Callable:
        made = getattr(prepared_data, name)
        return lambda *args: calls.append(name) or made(*args)

    for name in ("frame_pairs", "pooled_moments"):
        monkeypatch.setattr(prepared_data, name, counted(name))
    own = Structure(head=head, objective=objective, **SMALL, **SHORT)
    train_pack(own, [Lane()], make_feed(), make_feed(), SoloContext(), evaluate_each_epoch=each_epoch)
    assert sorted(calls) == ["frame_pairs", "pooled_moments"]


def test_a_stream_in_chunks_is_looked_at_once(make_feed: Callable[..., Feed], spiral_table: pa.Table) -> None:
    """Each look takes the stream a chunk further: what training sees must not depend on their number."""
    feed = make_feed(budget_bytes=1, ids=spiral_table["utterance_id"].to_pylist())
    feed._open = lambda: [spiral_table.slice(i, 4) for i in range(0, 12, 4)]
    run = PackRun(Structure(head="vmf", **SMALL, **SHORT), [Lane()], feed, SoloContext())
    first, second = list(feed.chunks())[:2]
    assert torch.equal(run.data.moments.mean_D, first.moments.mean_D)
    assert feed.shard(0).ids == second.ids


def test_a_fitted_head_has_nothing_to_train(make_feed: Callable[..., Feed]) -> None:
    run = PackRun(Structure(head="linear", **SMALL, **SHORT), [Lane()], make_feed(), SoloContext())
    assert run.step is None
    with pytest.raises(RuntimeError, match="nothing to train"):
        run.train_epoch(0)
