"""A score loss beside NLL: a predictor learns to draw frames that a frozen score takes for the true ones.

Research Discussion 7 (section 4.7) trains a predictor by L = NLL + lambda |s(z') - s(z)|^2, where s is the
score of single frames, z the true next frame and z' the predicted one. Here z' is a sample, which is what a
free run goes on from; the mean of a law is no frame, and a loss of it would hardly see the law's spread. The
price is that of every squared error of samples: it is least for a law without spread, and NLL alone stands
against that.

Scores are large where frames are narrow. So the loss is divided by what it comes to where a training frame at
random stands in the place of the sample, and that counts as D / 2 nats: as much as NLL counts of independent
frames of unit variance. A weight then means the same whatever the score, and of a Gaussian's too. The latter
is linear, so its loss is a squared error, whitened by the inverse covariance of frames and noise: the null.

Shapes: B windows, T frames of a window, N training frames, D latent dimensions; [...] is any leading shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.analysis.best_moment import train_to_best_moment
from trainables.analysis.score_settings import ScoreLane, ScoreStructure
from trainables.analysis.score_steps import AnyScore
from trainables.analysis.utterance_paths import PathWindows, long_paths
from trainables.distributions.law import LawNoise
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.config import Structure
from trainables.predictor.model.closed_form import Baseline
from trainables.predictor.model.predictor import AnyPredictor, Predictor

_LOOKED_AT = 256  # held-out windows by which one of the moments of teaching is chosen
_MOST_CLIMATE = 20_000  # training frames by which a loss is divided

SampleLoss = Callable[[Tensor, Tensor], Tensor]  # samples and true frames, [..., D] each -> nats, [...]


@dataclass(frozen=True)
class ScoreLoss:
    """The squared distance of the scores of two frames, in nats.

    Attributes:
        score: of single frames; it is not taught.
        sigma: the level of noise at which it is asked.
        nats: that a squared distance of 1 counts as.
    """

    score: AnyScore
    sigma: float
    nats: float

    @classmethod
    def of(cls, score: AnyScore, sigma: float, frames_ND: Tensor) -> ScoreLoss:
        """The loss under which two independent training frames are D / 2 nats apart, in the mean."""
        with torch.no_grad():
            seen_ND = score(frames_ND[:: -(-len(frames_ND) // _MOST_CLIMATE)], sigma)
        between = 2 * float(seen_ND.var(0, correction=0).sum())
        return cls(score, sigma, frames_ND.shape[1] / 2 / max(between, 1e-12))

    def __call__(self, sample: Tensor, true: Tensor) -> Tensor:
        """Nats, [...], of samples [..., D] of the true frames [..., D]."""
        return self.nats * (self.score(sample, self.sigma) - self.score(true, self.sigma)).square().sum(-1)


@dataclass(frozen=True)
class FurtherTeaching:
    """More teacher forcing for a predictor that has been trained: with one seed, the same windows and the
    same noise, whatever it is taught by.

    Attributes:
        settings: of the predictor.
        train: windows of training utterances.
        held_out: windows of validation utterances.
        steps: of the optimiser.
        learning_rate: at the start; a cosine brings it to 0.
        seed: of windows and noise.
    """

    settings: Structure
    train: PathWindows
    held_out: PathWindows
    steps: int
    learning_rate: float
    seed: int

    @classmethod
    def of(
        cls, structure: ScoreStructure, lane: ScoreLane, settings: Structure, train: Feed, held_out: Feed
    ) -> FurtherTeaching:
        """What a lane asks for, on as many utterances as are held at once."""

        def windows(feed: Feed, surrogate: Surrogate) -> PathWindows:
            return PathWindows.of(long_paths(feed, surrogate, settings.window_frames), settings.window_frames)

        return cls(
            settings=settings,
            train=windows(train, lane.surrogate),
            held_out=windows(held_out, lane.surrogate),
            steps=structure.further_steps,
            learning_rate=structure.further_rate,
            seed=lane.seed,
        )

    def teach(
        self, predictor: Predictor | Baseline, loss: SampleLoss | None = None, weight: float = 0.0
    ) -> None:
        """Teach a predictor in float32 by NLL, and by ``weight`` times a loss of samples of the next frame;
        of four moments it is left at the one that suits held-out windows best.
        """
        rng = torch.Generator().manual_seed(self.seed)
        fixed = torch.Generator().manual_seed(0)
        looked_at = self.drawn(self.held_out, _LOOKED_AT, fixed)
        train_to_best_moment(
            predictor,
            torch.optim.AdamW(predictor.parameters(), lr=self.learning_rate, weight_decay=0.0),
            self.steps,
            lambda: nats(predictor, *self.drawn(self.train, self.settings.batch, rng), loss, weight),
            lambda: float(nats(predictor, *looked_at, loss, weight)),
            clip=self.settings.clip,
        )

    def drawn(self, paths: PathWindows, count: int, rng: torch.Generator) -> tuple[Tensor, LawNoise]:
        """Random windows [B, T, D] and the noise of what is drawn after each frame but the last."""
        window_BTD = paths.windows(paths.drawn(count, rng))
        B, T, D = window_BTD.shape
        numbers = D + 1 + self.settings.factors + self.settings.further_normals(D)
        normal = torch.randn(B, T - 1, numbers, generator=rng)
        return window_BTD, LawNoise(normal, torch.rand(B, T - 1, 2, generator=rng))


def nats(
    predictor: AnyPredictor, window_BTD: Tensor, noise: LawNoise, loss: SampleLoss | None, weight: float
) -> Tensor:
    """Mean NLL of true steps given the past, and ``weight`` times a loss of samples, nats per frame: []."""
    read_BTD, true_BTD = window_BTD[:, :-1], window_BTD[:, 1:]
    law = predictor.head(predictor.backbone.read(read_BTD)[0])
    nll = predictor.head.objective(law, true_BTD - read_BTD, noise).mean()
    if loss is None:
        return nll
    return nll + weight * loss(read_BTD + law.sample(noise), true_BTD).mean()
