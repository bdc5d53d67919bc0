"""Where a training loop runs: its rank, its device, its reports."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn


class Context(Protocol):
    """Where the loop runs."""

    rank: int
    world_size: int
    device: torch.device

    def prepare(self, module: nn.Module) -> nn.Module:
        """Wrap for data-parallel training."""

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401
        """The values of all ranks, in rank order, on every rank."""

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Called once per epoch, with what is needed to go on from here."""

    def restore(self) -> dict[str, Any] | None:
        """The last reported state of an interrupted run of this pack."""


class SoloContext:
    """Rank 0 of 1, in this process."""

    rank, world_size = 0, 1

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.reports: list[dict[str, Any]] = []

    def prepare(self, module: nn.Module) -> nn.Module:
        """As it is."""
        return module.to(self.device)

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401
        """Of one rank."""
        return [value]

    def report(self, progress: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        """Kept in ``reports``."""
        self.reports.append(progress)

    def restore(self) -> None:
        """A fresh start."""
