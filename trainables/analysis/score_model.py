"""The score of single frames at several levels of noise, by denoising score matching.

P. Vincent, "A connection between score matching and denoising autoencoders", 2011; Y. Song, S. Ermon,
"Generative modeling by estimating gradients of the data distribution", 2019.

Shapes: N frames, D latent dimensions; [...] is any leading shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.analysis.best_moment import train_to_best_moment
from trainables.analysis.frame_density import some_frames
from trainables.contract import Auxiliary
from trainables.latents.batching.feed import Feed

_SPREAD = 3.0  # levels of noise from a correction's own over this to times this
_LEARNING_RATE = 2e-3
_SEED = 0  # all lanes share one model, whatever their own seeds
_MOST_HELD_OUT = 5_000  # validation frames that choose a moment
MOST_FRAMES = 200_000  # of training


@dataclass(frozen=True)
class GaussianScore:
    """The score of a Gaussian with the frames' mean and covariance, to which noise was added.

    Attributes:
        mean_D: of the frames.
        axes_DD: orthonormal columns, the principal axes.
        variances_D: along them.
    """

    mean_D: Tensor
    axes_DD: Tensor
    variances_D: Tensor

    @classmethod
    def fit(cls, frames_ND: Tensor) -> GaussianScore:
        """Of frames [N, D]."""
        variances_D, axes_DD = torch.linalg.eigh(torch.cov(frames_ND.T).reshape(2 * (frames_ND.shape[1],)))
        return cls(frames_ND.mean(0), axes_DD, variances_D.clamp_min(0))

    def __call__(self, z: Tensor, sigma: float | Tensor) -> Tensor:
        """The score [..., D] at z [..., D], where N(0, sigma^2 I) was added; sigma may be [..., 1]."""
        along = (z - self.mean_D) @ self.axes_DD
        return -(along / (self.variances_D + sigma**2)) @ self.axes_DD.T


class FrameScore(nn.Module):
    """The Gaussian's score, and what a network of three layers adds to it, which begins at 0."""

    def __init__(self, gaussian: GaussianScore, width: int) -> None:
        super().__init__()
        self.gaussian = gaussian
        dim = len(gaussian.mean_D)
        last = nn.Linear(width, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        layers: list[nn.Module] = [nn.Linear(dim + 1, width), nn.SiLU()]
        for _ in range(2):
            layers += [nn.Linear(width, width), nn.SiLU()]
        self.network = nn.Sequential(*layers, last)

    def forward(self, z: Tensor, sigma: float | Tensor) -> Tensor:
        """The score [..., D] at z [..., D]; sigma may be [..., 1]."""
        level = torch.as_tensor(sigma).to(z).expand(*z.shape[:-1], 1)
        added = self.network(torch.cat([z - self.gaussian.mean_D, level.log()], -1))
        return self.gaussian(z, level) + added / level


def fit_shared_score(wanted: Auxiliary, train: Feed, held_out: Feed) -> dict[str, Tensor]:
    """What the network of a score model has learnt, see :class:`trainables.contract.Auxiliary`."""
    model = fit_score(
        some_frames(train, wanted.surrogate, MOST_FRAMES).float(),
        some_frames(held_out, wanted.surrogate, _MOST_HELD_OUT).float(),
        **dict(wanted.settings),
        seed=_SEED,
    )
    return model.network.state_dict()


def score_of(frames_ND: Tensor, width: int, learnt: Mapping[str, Tensor]) -> FrameScore:
    """The score of frames whose network has learnt what :func:`fit_shared_score` left, in their precision."""
    model = FrameScore(GaussianScore.fit(frames_ND), width).to(frames_ND)
    model.network.load_state_dict(learnt)
    return model


def fit_score(
    frames_ND: Tensor, held_out_ND: Tensor, *, sigma: float, width: int, steps: int, batch: int, seed: int
) -> FrameScore:
    """Train on frames with noise about as large as ``sigma``; of five moments, the beginning among them, the
    one that suits held-out frames best.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FrameScore(GaussianScore.fit(frames_ND), width).to(frames_ND)
    rng = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    fixed = torch.Generator().manual_seed(0)
    judged = _noised(held_out_ND, sigma, fixed)

    def loss() -> Tensor:
        rows = torch.randint(len(frames_ND), (batch,), generator=rng)
        return _loss(model, *_noised(frames_ND[rows], sigma, rng))

    train_to_best_moment(
        model, optimiser, steps, loss, lambda: float(_loss(model, *judged)), or_as_begun=True
    )
    return model


def _noised(frames_ND: Tensor, sigma: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Frames, the noise to add to them, and how much of it, log-uniform about sigma."""
    exponent = 2 * torch.rand(len(frames_ND), 1, generator=rng, dtype=torch.float64) - 1
    noise = torch.randn(frames_ND.shape, generator=rng, dtype=torch.float64)
    return frames_ND, noise.to(frames_ND), (sigma * _SPREAD**exponent).to(frames_ND)


def _loss(model: FrameScore, frames_ND: Tensor, noise_ND: Tensor, level_N1: Tensor) -> Tensor:
    told = model(frames_ND + level_N1 * noise_ND, level_N1)
    return (level_N1 * told + noise_ND).square().sum(-1).mean()
