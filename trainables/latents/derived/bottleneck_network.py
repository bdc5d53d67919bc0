"""The network of a beta-VAE bottleneck, frame by frame, and the loss that it is trained to minimise.

The loss is, in nats per frame,

    reconstruction + beta KL + smoothness S + predictability E

* reconstruction: -log N(x; decoder(z), s^2 I), s learnt, z = mu + sigma noise;
* KL of N(mu, sigma^2) from N(0, I), beta = 1 being the evidence bound;
* S = mean |mu_{t+1} - mu_t|^2 / tr Cov(mu): 2 for codes without memory, 0 for codes that stand still;
* E = mean |mu_{t+1} - A (mu_t, ..., mu_{t-P+1}) - b|^2 / tr Cov(mu), A and b trained beside all else: 1 where
  the past says nothing.

S and E are ratios on purpose. A code may be scaled at will, and the decoder undoes it: the mean step by
itself would be smallest for a code that has shrunk, whatever the code says. They are ratios of the code as a
whole: a code that enlarges its slow dimensions lowers them too, at the price of more KL, and says no more
than before. Only measures that no scaling changes, predictive information above all, show whether anything
was gained.

I. Higgins et al., "beta-VAE: learning basic visual concepts with a constrained variational framework",
2017.
L. Wiskott, T. Sejnowski, "Slow feature analysis: unsupervised learning of invariances", 2002, for S.
O. Rybkin, K. Daniilidis, S. Levine, "Simple and effective VAE training with calibrated decoders", 2021,
for s.

Shapes: B windows, T frames of a window, D dimensions of a frame, K of its code, P past frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainables.latents.derived.bottleneck_settings import BottleneckSettings

MeanOverWorkers = Callable[[Tensor], Tensor]  # the mean of a tensor over all workers, without gradient
# The smallest s, as a share of the input's standard deviation: ever finer detail would gain without end.
_LEAST_LOG_NOISE = math.log(1e-3)


class Coder(nn.Module):
    """A linear map plus residual blocks, whose output is zero before training."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.leave = nn.Linear(width, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors [..., inputs] to vectors [..., outputs]."""
        h = self.enter(x)
        for block in self.blocks:
            h = h + block(h)
        return self.linear(x) + self.leave(nn.functional.gelu(h))


class BottleneckNetwork(nn.Module):
    """Encoder, decoder, and, where there is a predictability loss, its linear predictor."""

    mean: Tensor  # [D], of the frames that go in
    scale: Tensor  # [], one for all dimensions: angles stay what they are

    def __init__(self, dim: int, count: int, settings: BottleneckSettings) -> None:
        super().__init__()
        self.count, self.settings = count, settings
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))
        self.encoder = Coder(dim, 2 * count, settings.width, settings.blocks)
        self.decoder = Coder(count, dim, settings.width, settings.blocks)
        self.log_noise = nn.Parameter(torch.zeros(()))
        self.predictor = nn.Linear(settings.past * count, count) if settings.predictability else None

    def start_from(self, mean_D: Tensor, variances_D: Tensor, vectors_DD: Tensor) -> None:
        """Set the weights to probabilistic PCA.

        Args:
            mean_D: mean of the training frames.
            variances_D: eigenvalues of their covariance, descending.
            vectors_DD: its eigenvectors, as columns.
        """
        mean_variance = variances_D.mean()
        self.mean.copy_(mean_D)
        self.scale.copy_(mean_variance.sqrt())
        spread_K = (variances_D[: self.count] / mean_variance).clamp_min(1e-6)
        rest = variances_D[self.count :].sum() / mean_variance / len(mean_D)
        noise = rest.clamp_min(1e-2)
        directions_DK = vectors_DD[:, : self.count]
        with torch.no_grad():
            self.log_noise.copy_(0.5 * noise.log())
            self.encoder.linear.weight.copy_(
                torch.cat([(directions_DK / spread_K.sqrt()).T, torch.zeros_like(directions_DK.T)])
            )
            log_variance_K = (noise / (noise + spread_K)).log()
            self.encoder.linear.bias.copy_(torch.cat([torch.zeros_like(log_variance_K), log_variance_K]))
            self.decoder.linear.weight.copy_(directions_DK * spread_K.sqrt())
            self.decoder.linear.bias.zero_()

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the codes of frames [..., D] in the base's units, [..., K] each."""
        mu, log_variance = self.encoder((frames - self.mean) / self.scale).chunk(2, -1)
        return mu, log_variance.clamp(-16.0, 8.0)

    def decode(self, codes: Tensor) -> Tensor:
        """Mean frames [..., D] in the base's units of codes [..., K]."""
        return self.decoder(codes) * self.scale + self.mean

    def nats(self, frames: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Parts of the loss of each frame, nats, by name.

        Returns:
            ``reconstruction`` [...], ``kl`` of each dimension of the code [..., K] and its mean ``mu``
            [..., K].
        """
        mu, log_variance = self.encode(frames)
        codes = mu + noise * (0.5 * log_variance).exp()
        squares = ((self.decode(codes) - frames) / self.scale).square()
        log_noise = self.log_noise.clamp_min(_LEAST_LOG_NOISE)
        reconstruction = 0.5 * squares * (-2 * log_noise).exp() + log_noise + 0.5 * math.log(2 * math.pi)
        kl = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance)
        return {"reconstruction": reconstruction.sum(-1), "kl": kl, "mu": mu}

    def step_squares(self, mu_BTK: Tensor) -> Tensor:
        """Squared steps of the mean code, |mu_{t+1} - mu_t|^2: [B, T - 1]."""
        return (mu_BTK[:, 1:] - mu_BTK[:, :-1]).square().sum(-1)

    def prediction_squares(self, mu_BTK: Tensor) -> Tensor:
        """Squared errors of the linear predictor, [B, T - P]; only where there is a predictability loss."""
        assert self.predictor is not None
        past = self.settings.past
        last = mu_BTK.shape[1] - past
        past_BTI = torch.cat([mu_BTK[:, back : back + last] for back in range(past)], -1)
        return (mu_BTK[:, past:] - self.predictor(past_BTI)).square().sum(-1)

    def forward(
        self, frames_BTD: Tensor, noise_BTK: Tensor, mean_over_workers: MeanOverWorkers
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of windows, [], and its parts by name, detached, the whole ``loss`` among them.

        Each worker sees other windows, as many as every other. Averaged over workers, loss and gradient are
        those of all windows together, ratios included.
        """
        nats, settings = self.nats(frames_BTD, noise_BTK), self.settings
        parts = {"reconstruction": nats["reconstruction"].mean(), "kl": nats["kl"].sum(-1).mean()}
        loss = parts["reconstruction"] + settings.beta * parts["kl"]
        mu_BTK = nats["mu"]
        if settings.smoothness:
            parts["smoothness"] = _ratio(self.step_squares(mu_BTK).mean(), mu_BTK, mean_over_workers)
            loss = loss + settings.smoothness * parts["smoothness"]
        if self.predictor is not None:
            squares = self.prediction_squares(mu_BTK)
            parts["predictability"] = _ratio(squares.mean(), mu_BTK, mean_over_workers)
            loss = loss + settings.predictability * parts["predictability"]
        return loss, {"loss": loss.detach(), **{name: value.detach() for name, value in parts.items()}}


def _ratio(squares: Tensor, mu_BTK: Tensor, mean_over_workers: MeanOverWorkers) -> Tensor:
    """squares / tr Cov(mu), to first order about its value over all workers, because ratios do not add up."""
    centre_K = mean_over_workers(mu_BTK.detach().mean((0, 1)))
    spread = (mu_BTK - centre_K).square().sum(-1).mean()
    both = torch.stack([squares.detach(), spread.detach()])
    all_squares, all_spread = mean_over_workers(both).clamp_min(1e-12)
    return (squares - (all_squares / all_spread) * (spread - all_spread)) / all_spread
