"""What every backbone must do: read alike at once and in pieces, look at nothing to come, and learn with all
of its parts.
"""

import pytest
import torch

from trainables.conformance.backbones import BACKBONE_PROMISES
from trainables.conformance.promises import Promise
from trainables.predictor.config import BACKBONES, Structure
from trainables.predictor.heads import survey
from trainables.predictor.model.backbones import HalfPrecisionBackbone, ThinnedBackbone, build_backbone

DIM, FRAMES = 5, 9


@pytest.fixture
def z_BTD() -> torch.Tensor:
    return torch.randn(3, FRAMES, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("promise", BACKBONE_PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("kind", BACKBONES)
def test_every_backbone_keeps_its_promises(kind: str, promise: Promise) -> None:
    assert list(promise(kind)) == []


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


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_head_on_states_is_handed_the_whitened_frame_which_dropout_leaves_whole(
    kind: str, z_BTD: torch.Tensor
) -> None:
    structure = Structure(head="sphere", backbone=kind, width=8)
    backbone = build_backbone(structure, DIM).double()
    frames_ND = z_BTD.flatten(0, 1) @ torch.randn(DIM, DIM, dtype=torch.float64) + 3
    known = survey(structure, frames_ND, frames_ND)
    backbone.start_from(known)
    kept_BH = torch.tensor([[0.0, 2.0] * 4] * 3, dtype=torch.float64)
    h_BTX, _ = ThinnedBackbone(backbone, kept_BH).read(frames_ND.unflatten(0, z_BTD.shape[:2]))
    hidden, frames = h_BTX.split([8, DIM], -1)
    assert h_BTX.shape[-1] == structure.hidden_units(DIM)
    assert (hidden[..., ::2] == 0).all() and (hidden[..., 1::2] != 0).any()
    white_ND = (frames_ND - known.whitening.mean_D) @ known.whitening.inverse_DD.mT
    assert torch.allclose(frames.flatten(0, 1), white_ND, atol=1e-9)
    assert known.typical_state == pytest.approx(float(white_ND.norm(dim=-1).log().mean().exp()))
