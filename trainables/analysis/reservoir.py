"""An echo-state network as a predictor like any other: fixed random recurrence, a readout in closed form.

The readout serves any backbone that has nothing to learn; on a backbone of the last frames it is a linear
predictor. It is known for how long a free run of the Lorenz system stays valid, which checks everything
between a backbone's state and the frames that a rollout arrives at.

H. Jaeger, H. Haas, "Harnessing nonlinearity: predicting chaotic systems and saving energy in wireless
communication", 2004.

Shapes: B runs, T frames, D dimensions, N units, H = D + N.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from trainables.distributions.law import LawNoise
from trainables.predictor.model.backbones import Backbone, BackboneState
from trainables.predictor.model.closed_form import LinearGaussianHead
from trainables.predictor.model.rollout import Start, free_run


class EchoState(Backbone):
    """A backbone with the hidden state (z_t, r_t), where r_t = tanh(A r_{t-1} + B z_t + b), all at random.

    Args:
        dim: latent dimensions, D.
        units: of the network, N.
        radius: spectral radius of A, which is dense and normal.
        inputs: largest entry of B, which is uniform.
        rng: that A, B and b are drawn from.
        bias: largest entry of b, which is uniform.
    """

    recurrent: Tensor  # A [N, N]
    inputs: Tensor  # B [N, D]
    bias: Tensor  # b [N]

    def __init__(
        self, dim: int, units: int, radius: float, inputs: float, rng: np.random.Generator, bias: float = 0.0
    ) -> None:
        super().__init__()
        recurrent = rng.standard_normal((units, units))
        recurrent *= radius / np.abs(np.linalg.eigvals(recurrent)).max()
        self.register_buffer("recurrent", torch.from_numpy(recurrent))
        self.register_buffer("inputs", torch.from_numpy(inputs * rng.uniform(-1, 1, (units, dim))))
        self.register_buffer("bias", torch.from_numpy(bias * rng.uniform(-1, 1, units)))

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the last r, [B, N], in a tuple; r is 0 before the first frame."""
        r_BN = z_BTD.new_zeros(len(z_BTD), len(self.recurrent)) if state is None else state[0]
        hidden = []
        for z_BD in z_BTD.unbind(1):
            r_BN = torch.tanh(r_BN @ self.recurrent.T + z_BD @ self.inputs.T + self.bias)
            hidden.append(torch.cat([z_BD, r_BN], 1))
        return torch.stack(hidden, 1), (r_BN,)


class ReadoutPredictor(nn.Module):
    """A backbone with nothing to learn, and a linear readout of the next step from its hidden state."""

    def __init__(self, backbone: Backbone, hidden: int, dim: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LinearGaussianHead(hidden, dim).double()


@torch.no_grad()
def fit_readout(backbone: Backbone, path_BTD: Tensor, washout: int, ridge: float) -> ReadoutPredictor:
    """A predictor by least squares of the next step on 1 and the hidden state.

    Args:
        backbone: that has nothing to learn.
        path_BTD: the runs that it is fitted to.
        washout: frames at the beginning of each run that only fill the hidden state.
        ridge: penalty on each squared weight, per case.
    """
    hidden, _ = backbone.read(path_BTD[:, :-1])
    x_NH = hidden[:, washout:].flatten(0, 1)
    step_ND = (path_BTD[:, 1:] - path_BTD[:, :-1])[:, washout:].flatten(0, 1)
    mean_H, mean_D = x_NH.mean(0), step_ND.mean(0)
    centred = x_NH - mean_H
    gram = centred.T @ centred / len(centred) + ridge * torch.eye(len(mean_H)).to(centred)
    weight = torch.linalg.solve(gram, centred.T @ (step_ND - mean_D) / len(centred)).T
    model = ReadoutPredictor(backbone, len(mean_H), len(mean_D))
    model.head.linear.weight.copy_(weight)
    model.head.linear.bias.copy_(mean_D - weight @ mean_H)
    return model


@torch.no_grad()
def valid_times(model: ReadoutPredictor, path_BTD: Tensor, washout: int, threshold: float) -> Tensor:
    """Number of frames for which free runs stay valid, [B].

    Args:
        model: the predictor.
        path_BTD: true runs.
        washout: true frames that it sees before it runs freely.
        threshold: largest error of a valid frame, in units of the root mean square of the true frames.
    """
    steps = path_BTD.shape[1] - washout
    hidden, state = model.backbone.read(path_BTD[:, :washout])
    last, truth_BKD = path_BTD[:, washout - 1], path_BTD[:, washout:]
    silence = path_BTD.new_zeros(len(path_BTD), steps, 1)
    start, noise = Start(hidden[:, -1], state, last), LawNoise(silence, silence)
    _, deltas = free_run(model, start, steps, "mean", noise)
    error_BK = (last.unsqueeze(1) + deltas.cumsum(1) - truth_BKD).norm(dim=-1)
    wrong = error_BK > threshold * path_BTD.square().sum(-1).mean().sqrt()
    return torch.where(wrong.any(1), wrong.int().argmax(1), steps)
