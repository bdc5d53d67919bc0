"""What every backbone must do: read alike at once and in pieces, look at nothing to come, and learn with all
of its parts.
"""

import pytest
import torch

from trainables.predictor.config import BACKBONES, Structure
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.backbones import HalfPrecisionBackbone, build_backbone

DIM, FRAMES = 5, 9


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(Structure(head="mdn", backbone=request.param, width=32, depth=2), DIM).double()


@pytest.fixture
def z_BTD() -> torch.Tensor:
    return torch.randn(3, FRAMES, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_reading_in_pieces_equals_reading_at_once(backbone: torch.nn.Module, z_BTD: torch.Tensor) -> None:
    at_once, _ = backbone.read(z_BTD)
    first, state = backbone.read(z_BTD[:, :2])
    second, state = backbone.read(z_BTD[:, 2:5], state)
    hidden = [*first.unbind(1), *second.unbind(1)]
    for t in range(5, FRAMES):
        h, state = backbone.step(z_BTD[:, t], state)
        hidden.append(h)
    assert torch.allclose(torch.stack(hidden, 1), at_once, atol=1e-12)


def test_nothing_looks_ahead(backbone: torch.nn.Module, z_BTD: torch.Tensor) -> None:
    changed = z_BTD.clone()
    changed[:, 6:] += 1
    before, after = backbone.read(z_BTD)[0], backbone.read(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6], after[:, 6])


def test_gradients_reach_every_parameter(backbone: torch.nn.Module, z_BTD: torch.Tensor) -> None:
    backbone.read(z_BTD)[0].square().sum().backward()
    silent = [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Softmax does not feel a constant added to every key.
    assert silent == []


def test_the_recurrent_cell_is_torchs_own() -> None:
    backbone = build_backbone(
        Structure(head="mdn", backbone="gru", width=4, depth=1, coordinates="raw"), DIM
    ).double()
    torch_cell = torch.nn.GRUCell(DIM, 4).double()
    torch_cell.weight_ih, torch_cell.bias_ih = backbone.inputs[0].weight, backbone.inputs[0].bias
    torch_cell.weight_hh, torch_cell.bias_hh = backbone.recurrent[0].weight, backbone.recurrent[0].bias
    z, h = torch.randn(5, DIM).double(), torch.randn(5, 4).double()
    _, (following,) = backbone.read(z.unsqueeze(1), (h,))
    assert torch.allclose(following, torch_cell(z, h), atol=1e-12)


@pytest.mark.parametrize("kind", BACKBONES)
def test_half_precision_is_the_backbones_alone_and_close_to_full(
    kind: str, z_BTD: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    z_BTD = z_BTD.float()
    outputs = []
    for precision in ("full", "auto"):
        torch.manual_seed(0)
        made = build_backbone(Structure("mdn", backbone=kind, width=32, depth=2, precision=precision), DIM)
        outputs.append(made.read(z_BTD)[0].detach())
    assert torch.equal(*outputs), "on a CPU nothing changes"
    monkeypatch.setattr(HalfPrecisionBackbone, "devices", ("cpu",))
    half = made.read(z_BTD)[0].detach()
    assert half.dtype == torch.float32
    assert 1e-5 < float((half - outputs[0]).abs().max()) < 0.1


def test_lanes_of_transformers_are_what_each_is_alone(z_BTD: torch.Tensor) -> None:
    structure = Structure("mdn", backbone="transformer", width=32, depth=2)
    models = [build_backbone(structure, DIM).double() for _ in range(3)]
    stacked = Stacked(models)
    windows_LBTD = torch.stack([z_BTD + lane for lane in range(3)])

    def read(model: torch.nn.Module, window_BTD: torch.Tensor) -> torch.Tensor:
        first, state = model.read(window_BTD[:, :4])
        return torch.cat([first, model.read(window_BTD[:, 4:], state)[0]], 1)

    together = stacked.map(read, windows_LBTD)
    together.square().sum().backward()
    for lane, model in enumerate(models):
        alone = read(model, windows_LBTD[lane])
        alone.square().sum().backward()
        assert torch.allclose(together[lane], alone, atol=1e-10)
        for name, parameter in model.named_parameters():
            gradient = stacked.weights[name.replace(".", "/")].grad[lane]
            assert torch.allclose(gradient, parameter.grad, atol=1e-8), name
