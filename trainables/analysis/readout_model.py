"""A bottleneck that is the only way from the past to the prediction, and dynamics that read nothing else.

z_dyn,t = encoder(z_{t-L+1:t}), of R dimensions; a recurrent network reads z_dyn alone; the head predicts the
whole frame t + 1 as a Gaussian, whose covariance is the residual. If z_t itself reached the mean, the
bottleneck would be bypassed, and both encoders would be equal whatever they are.

Shapes: U utterances or windows, T frames, D latent dimensions, L frames of a window, R of the bottleneck, H
hidden units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.analysis.best_moment import train_to_best_moment
from trainables.analysis.readout_settings import NONLINEAR, ReadoutStructure
from trainables.analysis.utterance_paths import PathWindows

_MOST_LOG_SCALE = 3.0  # of the residual; a frame may be so many nats louder or quieter than all


class BottleneckDynamics(nn.Module):
    """Encoder, dynamics and head over whitened frames.

    The nonlinear encoder is the linear one plus a network that begins at 0: what the linear one can do, it
    can do as well.

    Args:
        structure: what encoder and dynamics are.
        dim: latent dimensions, D.
        bottleneck: dimensions of z_dyn, R.
    """

    def __init__(self, structure: ReadoutStructure, dim: int, bottleneck: int) -> None:
        super().__init__()
        self.window = structure.readout_window
        seen = dim * self.window
        self.linear = nn.Linear(seen, bottleneck, bias=False)
        self.bend: nn.Module | None = None
        if structure.readout == NONLINEAR:
            last = nn.Linear(structure.encoder_width, bottleneck)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.bend = nn.Sequential(nn.Linear(seen, structure.encoder_width), nn.GELU(), last)
        self.dynamics = nn.GRU(bottleneck, structure.dynamics_width, batch_first=True)
        self.mean = nn.Linear(structure.dynamics_width + bottleneck, dim)
        self.log_scale = nn.Linear(structure.dynamics_width, 1)
        # Of the residual's precision, over whitened frames: it begins at that of the marginal.
        self.log_diagonal = nn.Parameter(torch.zeros(dim))
        self.lower = nn.Parameter(torch.zeros(dim, dim))
        for begin in (self.log_scale.weight, self.log_scale.bias, self.mean.bias):
            nn.init.zeros_(begin)

    def encode(self, x_UTD: Tensor) -> Tensor:
        """z_dyn [U, T, R] of each frame with those before it; before the first frame all is 0."""
        padded = nn.functional.pad(x_UTD, (0, 0, self.window - 1, 0))
        seen = torch.cat([padded[:, back : back + x_UTD.shape[1]] for back in range(self.window)], -1)
        z_UTR = self.linear(seen)
        return z_UTR if self.bend is None else z_UTR + self.bend(seen)

    def information(self, x_UTD: Tensor) -> Tensor:
        """What the frames up to each say about the next, nats, [U, T - 1]: its log density less that under
        the standard normal law, which is the marginal of whitened frames.
        """
        z_UTR = self.encode(x_UTD[:, :-1])
        h_UTH, _ = self.dynamics(z_UTR)
        target = x_UTD[:, 1:]
        error = target - self.mean(torch.cat([h_UTH, z_UTR], -1))
        log_scale = _MOST_LOG_SCALE * torch.tanh(self.log_scale(h_UTH).squeeze(-1) / _MOST_LOG_SCALE)
        factor = self.lower.tril(-1) + self.log_diagonal.exp().diag()
        squared = (error @ factor.T).square().sum(-1)
        dim = x_UTD.shape[-1]
        log_density = self.log_diagonal.sum() - dim * log_scale - 0.5 * squared * torch.exp(-2 * log_scale)
        return log_density + 0.5 * target.square().sum(-1)


def padded_batches(paths: list[Tensor], size: int) -> list[tuple[list[int], Tensor, Tensor]]:
    """Paths of like lengths together: their numbers, frames [U, T, D] and which of them are real [U, T]."""
    order = sorted(range(len(paths)), key=lambda i: (len(paths[i]), i))
    batches = []
    for begin in range(0, len(order), size):
        numbers = order[begin : begin + size]
        lengths = torch.tensor([len(paths[i]) for i in numbers])
        padded = nn.utils.rnn.pad_sequence([paths[i] for i in numbers], batch_first=True)
        batches.append((numbers, padded, torch.arange(padded.shape[1]) < lengths[:, None]))
    return batches


def fit_dynamics(
    structure: ReadoutStructure,
    bottleneck: int,
    paths: list[Tensor],
    held_out: list[Tensor],
    *,
    learning_rate: float,
    weight_decay: float,
    seed: int,
) -> BottleneckDynamics:
    """Train on random windows of whitened paths; of four moments the one that suits held-out paths best."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BottleneckDynamics(structure, paths[0].shape[1], bottleneck)
    rng = torch.Generator().manual_seed(seed)
    windows = PathWindows.of(paths, structure.window_frames + 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    train_to_best_moment(
        model,
        optimiser,
        structure.steps,
        lambda: -model.information(windows.windows(windows.drawn(structure.batch, rng))).mean(),
        lambda: -mean_information(model, held_out),
        clip=5.0,
    )
    return model


@torch.no_grad()
def mean_information(model: BottleneckDynamics, paths: list[Tensor]) -> float:
    """Nats per frame over all paths."""
    total, count = 0.0, 0
    for _, x_UTD, real_UT in padded_batches(paths, 64):
        told = model.information(x_UTD)[real_UT[:, 1:]]
        total, count = total + float(told.double().sum()), count + len(told)
    return total / max(count, 1)
