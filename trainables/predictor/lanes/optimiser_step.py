"""One optimiser step of a pack: as it is written on a CPU, captured as a CUDA graph on a GPU.

A rollout step is a chain of some thousand small kernels; launched one by one from Python they leave a GPU
idle most of the time. Captured once and replayed, a step costs what its kernels cost.

Shapes: L lanes.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.pack import Batch

_WARM_UP = 3  # steps before a capture, as torch asks: libraries choose their kernels in them


class EagerStep:
    """An optimiser step as it is written: forward, backward, update."""

    def __init__(self, pack: nn.Module, optimiser: LaneAdamW) -> None:
        self.pack, self.optimiser = pack, optimiser

    def __call__(self, batch: Batch, phase: str, progress: Tensor, factor: Tensor) -> Tensor:
        """Take one step; return the loss of each lane before it, [L], nats per frame.

        Args:
            phase: "teacher" or "rollout".
            progress: how far what grows in the phase has grown, [].
            factor: of every lane's learning rate, [L].
        """
        losses = self.pack(batch, phase, progress)
        losses.sum().backward()
        self.optimiser.step(factor)
        return losses.detach()


class CapturedStep:
    """The same step, replayed from one CUDA graph per phase; eager where a step cannot be captured."""

    def __init__(self, pack: nn.Module, optimiser: LaneAdamW) -> None:
        self._eager = EagerStep(pack, optimiser)
        self._aside = torch.cuda.Stream()
        self._phase, self._steps, self._refused = "", 0, False
        self._captured: _Captured | None = None

    def __call__(self, batch: Batch, phase: str, progress: Tensor, factor: Tensor) -> Tensor:
        """Take one step, see :meth:`EagerStep.__call__`."""
        if phase != self._phase:
            self._phase, self._steps, self._captured = phase, 0, None
        self._steps += 1
        inputs = _Inputs(batch, progress, factor)
        if self._steps <= _WARM_UP or self._refused:
            return self._warm_up(inputs, phase)
        if self._captured is None:
            self._captured = self._capture(inputs, phase)
        if self._captured is None:
            return self._warm_up(inputs, phase)
        tree_map(lambda static, value: static.copy_(value), self._captured.inputs, inputs)
        self._captured.graph.replay()
        return self._captured.losses_L.clone()

    def _warm_up(self, inputs: _Inputs, phase: str) -> Tensor:
        """Take a step on the stream that will be captured."""
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            losses = self._eager(inputs.batch, phase, inputs.progress, inputs.factor)
        torch.cuda.current_stream().wait_stream(self._aside)
        return losses

    def _capture(self, inputs: _Inputs, phase: str) -> _Captured | None:
        """Record one step without running it; None where it talks to the host and cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        static: _Inputs = tree_map(torch.clone, inputs)
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._aside):
                losses = self._eager(static.batch, phase, static.progress, static.factor)
        except RuntimeError as error:
            torch.cuda.set_stream(stream)  # a broken capture leaves its own behind
            torch.cuda.synchronize()
            self._eager.optimiser.clear()
            self._refused = True
            message = f"a training step runs uncaptured, and slower: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            return None
        return _Captured(graph, static, losses)


class _Inputs(NamedTuple):
    """Everything that a step reads and that changes from step to step."""

    batch: Batch
    progress: Tensor
    factor: Tensor


class _Captured(NamedTuple):
    """A recorded step, where it reads its inputs, and where it leaves its losses."""

    graph: torch.cuda.CUDAGraph
    inputs: _Inputs
    losses_L: Tensor
