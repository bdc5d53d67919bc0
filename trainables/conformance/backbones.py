"""What every backbone keeps: it reads alike at once and in pieces, looks at nothing to come, and learns with
all of its parts.

Shapes: B windows, T frames, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from trainables.conformance.heads import normals
from trainables.conformance.promises import Promise
from trainables.predictor.config import Structure
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.backbones import Backbone, build_backbone

FRAME_DIM = 5
_FRAMES, _WIDTH, _DEPTH = 9, 32, 2


def untrained_backbone(name: str, seed: int = 0) -> Backbone:
    """A small backbone, float64."""
    torch.manual_seed(seed)
    structure = Structure(head="mdn", backbone=name, width=_WIDTH, depth=_DEPTH)
    return build_backbone(structure, FRAME_DIM).double()


def read_in_pieces(name: str) -> Iterator[str]:
    """Reading in pieces gives what reading at once gives, one hidden state for every frame."""
    backbone, z_BTD = untrained_backbone(name), normals(3, _FRAMES, FRAME_DIM)
    at_once, _ = backbone.read(z_BTD)
    if at_once.shape != (3, _FRAMES, _WIDTH):
        yield f"hidden states have shape {tuple(at_once.shape)}; they must have {(3, _FRAMES, _WIDTH)}"
        return
    first, state = backbone.read(z_BTD[:, :2])
    second, state = backbone.read(z_BTD[:, 2:5], state)
    hidden = [*first.unbind(1), *second.unbind(1)]
    for t in range(5, _FRAMES):
        h, state = backbone.step(z_BTD[:, t], state)
        hidden.append(h)
    if not torch.allclose(torch.stack(hidden, 1), at_once, atol=1e-12):
        yield "hidden states depend on how many frames are read at a time"


def looks_at_nothing_to_come(name: str) -> Iterator[str]:
    """A hidden state depends on its frame, and on no later one."""
    backbone, z_BTD = untrained_backbone(name), normals(3, _FRAMES, FRAME_DIM)
    changed = z_BTD.clone()
    changed[:, 6:] += 1
    before, after = backbone.read(z_BTD)[0], backbone.read(changed)[0]
    if not torch.equal(before[:, :6], after[:, :6]):
        yield "hidden states change with frames that come later"
    if torch.allclose(before[:, 6], after[:, 6]):
        yield "a hidden state does not depend on the frame that it belongs to"


def every_parameter_learns(name: str) -> Iterator[str]:
    """Gradients reach every parameter."""
    backbone = untrained_backbone(name)
    backbone.read(normals(3, _FRAMES, FRAME_DIM))[0].square().sum().backward()
    for parameter_name, parameter in backbone.named_parameters():
        if parameter.grad is None or not parameter.grad.abs().sum() > 0:
            yield f"no gradient reaches the parameter {parameter_name}"


def lanes_are_apart(name: str) -> Iterator[str]:
    """Stacked lanes read, and learn, like each alone."""
    models = [untrained_backbone(name, seed) for seed in range(3)]
    stacked = Stacked(models)
    windows_LBTD = torch.stack([normals(3, _FRAMES, FRAME_DIM) + lane for lane in range(3)])

    def read(model: Backbone, window_BTD: Tensor) -> Tensor:
        first, state = model.read(window_BTD[:, :4])
        return torch.cat([first, model.read(window_BTD[:, 4:], state)[0]], 1)

    together = stacked.map(read, windows_LBTD)
    together.square().sum().backward()
    for lane, model in enumerate(models):
        alone = read(model, windows_LBTD[lane])
        alone.square().sum().backward()
        if not torch.allclose(together[lane], alone, atol=1e-10):
            yield "hidden states of a lane among others are not what they are alone"
        for parameter_name, parameter in model.named_parameters():
            gradient = stacked.weights[parameter_name.replace(".", "/")].grad[lane]
            if parameter.grad is None or not torch.allclose(gradient, parameter.grad, atol=1e-8):
                yield f"the gradient of {parameter_name} in a lane among others is not what it is alone"


BACKBONE_PROMISES: tuple[Promise, ...] = (
    read_in_pieces,
    looks_at_nothing_to_come,
    every_parameter_learns,
    lanes_are_apart,
)
