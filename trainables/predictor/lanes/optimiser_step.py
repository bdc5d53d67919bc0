"""One optimiser step of a pack: as it is written on a CPU, captured as a CUDA graph on a GPU.

A rollout step is a chain of some thousand small kernels; launched one by one from Python they leave a GPU
idle most of the time. Captured once and replayed, a step costs what its kernels cost.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.pack import Batch

_WARM_UP = 3  # steps before a capture, as torch asks: libraries choose their kernels in them


class EagerStep:
    """Forward, backward, update."""

    def __init__(self, pack: nn.Module, optimiser: LaneAdamW) -> None:
        self.pack, self.optimiser = pack, optimiser

    def __call__(self, batch: Batch, phase: str, progress: Tensor, factor: Tensor) -> Tensor:
        """The loss of each lane before the update, [L].

        Args:
            progress: share of the phase that has passed, [].
            factor: of every learning rate, [].
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
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []

    def __call__(self, batch: Batch, phase: str, progress: Tensor, factor: Tensor) -> Tensor:
        """See :meth:`EagerStep.__call__`."""
        if phase != self._phase:
            self._phase, self._steps, self._graph = phase, 0, None
        self._steps += 1
        if self._steps <= _WARM_UP or self._refused:
            return self._warm_up(batch, phase, progress, factor)
        inputs = [*vars(batch).values(), progress, factor]
        if self._graph is None and not self._capture(inputs, phase):
            return self._warm_up(batch, phase, progress, factor)
        for static, value in zip(self._inputs, inputs, strict=True):
            static.copy_(value)
        self._graph.replay()
        return self._losses.clone()

    def _warm_up(self, *inputs: Batch | str | Tensor) -> Tensor:
        """A step on the stream that will be captured."""
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            losses = self._eager(*inputs)
        torch.cuda.current_stream().wait_stream(self._aside)
        return losses

    def _capture(self, inputs: list[Tensor], phase: str) -> bool:
        """Record one step without running it. A step that talks to the host cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        self._inputs = [value.clone() for value in inputs]
        *batch, progress, factor = self._inputs
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._aside):
                self._losses = self._eager(Batch(*batch), phase, progress, factor)
        except RuntimeError as error:
            torch.cuda.set_stream(stream)  # a broken capture leaves its own behind
            torch.cuda.synchronize()
            self._eager.optimiser.clear()
            self._refused = True
            said = f"a training step runs uncaptured, and slower: {error}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)
            return False
        self._graph = graph
        return True
