"""Where a training loop runs: its rank, its device, its reports."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn


class Context(Protocol):
    """Where a training loop runs: one process of ``world_size``, and the device that it trains on."""

    rank: int
    world_size: int
    device: torch.device

    def prepare(self, module: nn.Module) -> nn.Module:
        """Wrap a module for data-parallel training, or return it where one process trains alone."""

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in rank order, on every rank; all ranks have to call at the same time."""

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Take note of an epoch's ``progress``, and of the ``state`` that training can go on from."""

    def restore(self) -> dict[str, Any] | None:
        """The last reported state of an interrupted training, or None where it begins."""


class SoloContext:
    """The context of a training that runs in this process alone, as rank 0 of 1."""

    rank, world_size = 0, 1

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.reports: list[dict[str, Any]] = []

    def prepare(self, module: nn.Module) -> nn.Module:
        """Return the module unwrapped, on the device: there is one process."""
        return module.to(self.device)

    def gather(self, value: Any) -> list[Any]:
        """The value of the one rank there is, in a list."""
        return [value]

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Append the progress to ``reports``; the state is not kept."""
        self.reports.append(progress)

    def restore(self) -> None:
        """Return None: there is never anything to go on from."""
