"""What a transformer remembers: the same whether room is kept ahead or not, and safe to branch."""

import pytest
import torch
from torch.utils._pytree import tree_map

from trainables.predictor.config import Structure
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.backbones import build_backbone
from trainables.predictor.model.key_value_cache import KeyValueCache

DIM, FRAMES = 5, 23


def frames(count: int = FRAMES) -> torch.Tensor:
    return torch.randn(3, count, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def transformer() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(Structure(head="mdn", backbone="transformer", width=32, depth=2), DIM).double()


def stepwise(backbone: torch.nn.Module, z_BTD: torch.Tensor) -> torch.Tensor:
    """Hidden states of frames that are read one by one after the first two."""
    first, state = backbone.read(z_BTD[:, :2])
    hidden = [*first.unbind(1)]
    for t in range(2, z_BTD.shape[1]):
        h, state = backbone.step(z_BTD[:, t], state)
        hidden.append(h)
    return torch.stack(hidden, 1)


def test_room_ahead_changes_nothing() -> None:
    backbone, z_BTD = transformer(), frames()
    with torch.no_grad():
        ahead = stepwise(backbone, z_BTD)
    assert torch.equal(stepwise(backbone, z_BTD), ahead)
    assert torch.allclose(backbone.read(z_BTD)[0], ahead, atol=1e-12)


def test_gradients_flow_through_what_was_read_step_by_step() -> None:
    backbone, z_BTD = transformer(), frames()
    grads = []
    for read in (stepwise, lambda module, z: module.read(z)[0]):
        backbone.zero_grad()
        read(backbone, z_BTD).square().sum().backward()
        grads.append([p.grad.clone() for p in backbone.parameters()])
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*grads, strict=True))


@torch.no_grad()
def test_runs_that_branch_do_not_write_into_each_other() -> None:
    backbone, z_BTD = transformer(), frames(9)
    _, state = backbone.read(z_BTD[:, :4])
    for t in range(4, 7):  # so that there is room ahead
        _, state = backbone.step(z_BTD[:, t], state)
    one, two = (tree_map(lambda x: x.repeat(1, *[1] * (x.dim() - 1)), state) for _ in range(2))
    h_one, one = backbone.step(z_BTD[:, 7], one)
    h_two, two = backbone.step(-z_BTD[:, 7], two)  # written where the other one wrote
    after_one, _ = backbone.step(z_BTD[:, 8], one)
    assert torch.allclose(after_one, backbone.read(z_BTD)[0][:, -1], atol=1e-12)
    assert not torch.allclose(h_one, h_two)


@torch.no_grad()
def test_lanes_side_by_side_remember_what_each_would_alone() -> None:
    backbones, z_BTD = [transformer() for _ in range(2)], frames()
    for p in backbones[1].parameters():
        p.mul_(1.1)
    stacked = Stacked(backbones)
    together = stacked.map(stepwise, torch.stack([z_BTD, z_BTD]))
    for lane, backbone in enumerate(backbones):
        assert torch.allclose(together[lane], stepwise(backbone, z_BTD), atol=1e-12)


@pytest.mark.parametrize("count", [1, 5, 6, 17])
@torch.no_grad()
def test_earlier_frames_are_copied_only_when_the_room_is_used_up(count: int) -> None:
    part = torch.randn(2, 1, 4, 3)
    cache, rooms = KeyValueCache.of(part, part), set()
    for _ in range(count):
        cache = cache.with_more(part[:, :, :1], part[:, :, :1])
        rooms.add(cache.tensors[0].untyped_storage().size())
    assert cache.frames == 4 + count and cache.tensors[1].shape == (2, 1, 4 + count, 3)
    assert torch.equal(cache.tensors[0][:, :, :4], part)
    assert len(rooms) <= (4 + count).bit_length() - 2
