"""The training of a bottleneck, in a plain call or on the workers of a data-parallel job, with one result.

Shapes: B windows, T frames, D dimensions of a frame, K of its code.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.slots import Slots
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_validation import validate
from trainables.latents.derived.mapped_feed import MappedFeed

if TYPE_CHECKING:
    from trainables.training_context import Context

_LONGEST_GRADIENT = 10.0


def train_bottleneck(start: BetaVae, train: MappedFeed, validation: MappedFeed, context: Context) -> BetaVae:
    """Train until validation speakers find it no better, or the epochs are over; theirs is the best epoch.

    Args:
        start: from :meth:`BetaVae.fitted`.
        train: frames of training speakers, as the maps before the bottleneck make them.
        validation: the same of validation speakers.
        context: where it runs; after each epoch it is given the state to go on from.

    Raises:
        InputError: no epoch ended in finite figures.
    """
    run = Training(start, train, validation, context)
    while not run.is_over:
        run.train_epoch()
        context.report(run.progress(), run.state())
    return run.result()


class Training:
    """A bottleneck in training, able to stop after any epoch and go on from its state."""

    def __init__(self, start: BetaVae, train: MappedFeed, validation: MappedFeed, context: Context) -> None:
        self.start, self.settings = start, start.settings
        self.train, self.validation, self.context = train, validation, context
        self.network = start.network().to(context.device)
        self.parallel = context.prepare(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate)
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        saved = context.restore()
        if saved is not None:
            self.network.load_state_dict(saved["network"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.history, self.best = saved["history"], saved["best"]

    @property
    def epoch(self) -> int:
        """How many are behind us."""
        return len(self.history)

    @property
    def best_epoch(self) -> int | None:
        """The one that validation speakers find best, of those with finite figures."""
        finite = [past for past in self.history if math.isfinite(past["validation"]["loss"])]
        return min(finite, key=lambda past: past["validation"]["loss"])["epoch"] if finite else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be trained."""
        since = self.epoch - 1 - (self.best_epoch if self.best_epoch is not None else -1)
        return self.epoch >= self.settings.epochs or since >= self.settings.patience

    def train_epoch(self) -> None:
        """So many steps, and a look at validation speakers."""
        began, logs = time.perf_counter(), self._steps()
        found = validate(self.network, self.validation, self.context.gather)
        self.history.append(
            {
                "epoch": self.epoch,
                "train": logs,
                "validation": found,
                "seconds": time.perf_counter() - began,
            }
        )
        if self.best_epoch == self.epoch - 1:
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self._weights().items()}

    def progress(self) -> dict[str, Any]:
        """The last epoch, for whoever watches."""
        return {**self.history[-1], "epochs": self.settings.epochs, "best_epoch": self.best_epoch}

    def state(self) -> dict[str, Any]:
        """Everything needed to go on after this epoch: tensors, numbers and lists."""
        return {
            "network": {name: tensor.detach().cpu() for name, tensor in self._weights().items()},
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def result(self) -> BetaVae:
        """The best epoch's weights and figures."""
        if self.best_epoch is None:
            raise InputError(
                f"{self.start.name} diverged: no epoch ended in finite figures; lower --smoothness and "
                "--predictability, or put 'of whiten' behind it"
            )
        figures = self.history[self.best_epoch]["validation"]
        return self.start.trained(
            self.best, {"epochs": self.epoch, "best_epoch": self.best_epoch, "validation": figures}
        )

    def _weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def _steps(self) -> dict[str, float]:
        """Mean of each part of the loss over the epoch's steps and all workers."""
        settings, device = self.settings, self.context.device
        shard = self.train.shard(self.epoch)
        slots = Slots(
            shard, self.train.ids, settings.batch, settings.frames, self.context.rank, self.context.world_size
        )
        # Every worker draws for all windows, and uses what belongs to its own.
        draws = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.epoch)
        shape, own = (settings.batch, settings.frames, self.start.count), torch.as_tensor(slots.owned)
        real, totals = torch.zeros(1, dtype=torch.long, device=device), []
        for step in range(settings.steps):
            starts_LB = slots.starts(torch.rand(1, settings.batch, dtype=torch.float64, generator=draws))
            noise_BTK = torch.randn(shape, generator=draws)[own].to(device)
            windows_BTD = shard.gather(starts_LB.to(device), settings.frames, real)[0]
            totals.append(self._step(windows_BTD, noise_BTK, step))
        names = list(totals[0])
        means = torch.stack([torch.stack([t[name] for name in names]) for t in totals]).double().mean(0)
        return dict(zip(names, self._pool(means.cpu()).tolist(), strict=True))

    def _step(self, windows_BTD: Tensor, noise_BTK: Tensor, step: int) -> dict[str, Tensor]:
        done = (self.epoch + step / self.settings.steps) / self.settings.epochs
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        loss, logs = self.parallel(windows_BTD, noise_BTK, self._pool)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_GRADIENT)
        self.optimiser.step()
        return logs

    def _pool(self, value: Tensor) -> Tensor:
        """The mean over workers."""
        if self.context.world_size == 1:
            return value
        values = torch.stack(self.context.gather(value.detach().cpu()))
        return values.mean(0).to(value.device)
