"""The training of a bottleneck, in one process or on several data-parallel workers, with the same result.

Shapes: B windows, T frames, D dimensions of a frame, K of its code.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.slots import Slots
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_validation import validate
from trainables.latents.derived.mapped_feed import MappedFeed
from trainables.training_context import Context

_LONGEST_GRADIENT = 10.0


def train_bottleneck(start: BetaVae, train: MappedFeed, validation: MappedFeed, context: Context) -> BetaVae:
    """The bottleneck of the epoch that is best on validation speakers.

    Training ends when they have not gained for some epochs, or after the last epoch.

    Args:
        start: the map that training starts from, see :meth:`BetaVae.fitted`.
        train: frames of training speakers, after the maps before the bottleneck.
        validation: frames of validation speakers, after the same maps.
        context: where it runs; after each epoch it is given the state to go on from.

    Raises:
        InputError: no epoch ended in finite figures.
    """
    run = BottleneckTraining(start, train, validation, context)
    while not run.is_over:
        run.train_epoch()
        context.report(run.progress(), run.state())
    return run.result()


class BottleneckTraining:
    """A bottleneck in training, which can stop after any epoch and go on from its state."""

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
        """Number of epochs that are done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the smallest loss on validation speakers, from 0; None where no loss was finite."""
        finite = [past for past in self.history if math.isfinite(past["validation"]["loss"])]
        return min(finite, key=lambda past: past["validation"]["loss"])["epoch"] if finite else None

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or ``patience`` of them without a better one."""
        since = self.epoch - 1 - (self.best_epoch if self.best_epoch is not None else -1)
        return self.epoch >= self.settings.epochs or since >= self.settings.patience

    def train_epoch(self) -> None:
        """Take the optimiser steps of an epoch, and validate."""
        began, logs = time.perf_counter(), self._steps()
        figures = validate(self.network, self.validation, self.context.gather)
        self.history.append(
            {
                "epoch": self.epoch,
                "train": logs,
                "validation": figures,
                "seconds": time.perf_counter() - began,
            }
        )
        if self.best_epoch == self.epoch - 1:
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self._weights().items()}

    def progress(self) -> dict[str, Any]:
        """Figures of the last epoch, for whoever watches: plain values."""
        return {**self.history[-1], "epochs": self.settings.epochs, "best_epoch": self.best_epoch}

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on after this epoch: tensors, numbers and lists."""
        return {
            "network": {name: tensor.detach().cpu() for name, tensor in self._weights().items()},
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def result(self) -> BetaVae:
        """The bottleneck with the weights and figures of the best epoch.

        Raises:
            InputError: no epoch ended in finite figures.
        """
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
        """Take the steps of an epoch; the mean of each part of the loss over steps and workers."""
        settings, device = self.settings, self.context.device
        shard, ids = self.train.shard(self.epoch), self.train.chunk_ids(self.epoch)
        ranks = self.context.rank, self.context.world_size
        slots = Slots(shard, ids, settings.batch, settings.frames, *ranks, chunk=self.train.in_chunks)
        # Every worker draws for all windows, and uses what belongs to its slots.
        draws = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.epoch)
        shape, owned = (settings.batch, settings.frames, self.start.count), torch.as_tensor(slots.owned)
        real, totals = torch.zeros(1, dtype=torch.long, device=device), []
        for step in range(settings.steps):
            starts_LB = slots.starts(torch.rand(1, settings.batch, dtype=torch.float64, generator=draws))
            noise_BTK = torch.randn(shape, generator=draws)[owned].to(device)
            windows_BTD = shard.gather(starts_LB.to(device), settings.frames, real)[0]
            totals.append(self._step(windows_BTD, noise_BTK, step))
        names = list(totals[0])
        means = torch.stack([torch.stack([t[name] for name in names]) for t in totals]).double().mean(0)
        return dict(zip(names, self._mean_over_workers(means.cpu()).tolist(), strict=True))

    def _step(self, windows_BTD: Tensor, noise_BTK: Tensor, step: int) -> dict[str, Tensor]:
        done = (self.epoch + step / self.settings.steps) / self.settings.epochs
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        loss, logs = self.parallel(windows_BTD, noise_BTK, self._mean_over_workers)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_GRADIENT)
        self.optimiser.step()
        return logs

    def _mean_over_workers(self, value: Tensor) -> Tensor:
        if self.context.world_size == 1:
            return value
        values = torch.stack(self.context.gather(value.detach().cpu()))
        return values.mean(0).to(value.device)
