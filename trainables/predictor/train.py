"""The one training loop: a pack of L >= 1 lanes, by teacher forcing and then by K-step rollout.

It knows neither Ray nor a tracker; whoever runs it hands in a :class:`Context`. The same loop therefore runs
in a plain test, in a reused Tune actor and under Ray Train DDP, and gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainables.latents.windows import Feed, Slots, frame_pairs, pooled_moments
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluate import evaluate
from trainables.predictor.heads import Survey, build_head, survey
from trainables.predictor.lanes import Batch, LaneAdamW, Pack, cosine_schedule, generators, lane_tensor
from trainables.predictor.marginals import Marginals
from trainables.predictor.scores import Scores, merge


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


@dataclass
class LaneResult:
    """What is left of a lane: status "finished" or "diverged", scores (None where it diverged), weights."""

    status: str
    scores: dict[str, Any] | None
    history: list[dict[str, Any]]
    parameters: int
    seconds: float
    state: dict[str, Tensor] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights."""
        return {
            name: getattr(self, name) for name in ("status", "scores", "history", "parameters", "seconds")
        }


def train_pack(
    structure: Structure,
    lanes: Sequence[Lane],
    train: Feed,
    evaluation: Feed,
    context: Context,
    *,
    evaluate_each_epoch: bool,
) -> list[LaneResult]:
    """Train and evaluate a pack.

    Args:
        train: frames to learn from; holds the surrogates that the lanes name.
        evaluation: frames to be judged on. With ``evaluate_each_epoch`` they are looked at after every epoch
            (for exploration on validation speakers), without it once, at the end, with the NLL of the
            context-free marginals beside (for confirmation on test speakers).
    """
    run = _Run(structure, lanes, train, context)
    for epoch in range(run.epoch, structure.epochs):
        progress = run.train_epoch(epoch)
        if evaluate_each_epoch:
            run.note_scores(_evaluate(run, evaluation, None))
        context.report({**progress, "lanes": [h[-1] for h in run.history]}, run.state())
    baselines = None if evaluate_each_epoch else Marginals.fit(structure, train, run.moments, context.gather)
    return run.results(_evaluate(run, evaluation, baselines))


class _Run:
    """A pack in training, able to stop after any epoch and go on from its state."""

    def __init__(self, structure: Structure, lanes: Sequence[Lane], train: Feed, context: Context) -> None:
        self.structure, self.lanes, self.train, self.context = structure, tuple(lanes), train, context
        shard = train.shard(0)
        self.moments = pooled_moments(context.gather(shard.tallies()))
        self.pack = Pack(structure, lanes, shard.dim, _surveys(structure, train, context))
        self.needs_noise = build_head(structure, shard.dim).needs_noise
        self.wrapped = context.prepare(self.pack)
        some = next(self.pack.parameters())
        self.optimiser = LaneAdamW(
            list(self.pack.parameters()),
            lane_tensor(lanes, "learning_rate", some),
            lane_tensor(lanes, "weight_decay", some),
        )
        self.surrogate_L = torch.tensor(
            [train.surrogates.index(lane.surrogate) for lane in lanes], device=context.device
        )
        self.history: list[list[dict[str, Any]]] = [[] for _ in lanes]
        self.epoch, self.seconds = 0, 0.0
        saved = context.restore()
        if saved is not None:
            self._load(saved)

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch of ``structure.steps`` optimiser steps."""
        started = time.perf_counter()
        structure = self.structure
        phase = "teacher" if epoch < structure.teacher_epochs else "rollout"
        shard = self.train.shard(epoch)
        frames = structure.context + structure.rollout
        slots = Slots(
            shard, self.train.ids, structure.batch, frames, self.context.rank, self.context.world_size
        )
        sources = list(generators(self.lanes, epoch))
        total = torch.zeros(len(self.lanes), dtype=torch.float64, device=self.context.device)
        for step in range(structure.steps):
            done = epoch * structure.steps + step
            losses = self.wrapped(self._batch(shard, slots, sources), phase, self._phase_progress(done))
            losses.sum().backward()
            self.optimiser.step(cosine_schedule(done, structure.epochs * structure.steps))
            total += losses.detach()
        self.epoch = epoch + 1
        seconds = time.perf_counter() - started
        self.seconds += seconds
        means = np.mean(self.context.gather((total / structure.steps).cpu().numpy()), axis=0)
        for history, loss in zip(self.history, means, strict=True):
            history.append({"epoch": epoch, "phase": phase, "loss": float(loss), "seconds": seconds})
        seen = structure.steps * structure.batch * frames * len(self.lanes)
        return {
            "epoch": epoch,
            "epochs": structure.epochs,
            "phase": phase,
            "seconds": seconds,
            "frames_per_second": seen / seconds,
        }

    def note_scores(self, scores: Sequence[Scores]) -> None:
        """Put the last epoch's figures into the history."""
        for history, own in zip(self.history, scores, strict=True):
            last = own.horizon
            for metric in ("nll", "one_step_cosine", "cos@1", f"cos@{last}", f"magnitude_ratio@{last}"):
                history[-1][metric] = own.value(metric)

    def results(self, scores: Sequence[Scores]) -> list[LaneResult]:
        """The lanes as they stand."""
        parameters = sum(p[0].numel() for p in self.pack.parameters())
        results = []
        for lane, own in enumerate(scores):
            finite = bool(self.optimiser.alive_L[lane]) and all(
                np.isfinite(v).all() for v in own.sums.values()
            )
            results.append(
                LaneResult(
                    status="finished" if finite else "diverged",
                    scores=own.to_json() if finite else None,
                    history=self.history[lane],
                    parameters=parameters,
                    seconds=self.seconds / len(self.lanes),
                    state=self.pack.lane_state(lane),
                )
            )
        return results

    def state(self) -> dict[str, Any]:
        """Everything needed to go on after this epoch: tensors, numbers and lists."""
        return {
            "pack": {name: tensor.detach().cpu() for name, tensor in self.pack.state_dict().items()},
            "optimiser": {name: tensor.cpu() for name, tensor in self.optimiser.state().items()},
            "epoch": self.epoch,
            "seconds": self.seconds,
            "history": self.history,
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        self.pack.load_state_dict(state["pack"])
        self.optimiser.load(state["optimiser"])
        self.epoch, self.seconds, self.history = state["epoch"], state["seconds"], state["history"]

    def _phase_progress(self, done: int) -> float:
        """How much of the present phase has passed, 0 to 1."""
        teacher, rollout = (
            n * self.structure.steps for n in (self.structure.teacher_epochs, self.structure.rollout_epochs)
        )
        return done / teacher if done < teacher else (done - teacher) / rollout

    def _batch(self, shard, slots: Slots, sources: Sequence[torch.Generator]) -> Batch:  # noqa: ANN001
        """Every worker draws the noise of the whole batch and keeps that of its own slots."""
        structure, own = self.structure, torch.as_tensor(slots.owned)
        frames = structure.context + structure.rollout
        batch, dim = structure.batch, shard.dim
        starts, replace, normal, uniform = [], [], [], []
        sampled = structure.feedback == "sample" or self.needs_noise
        for source in sources:
            starts.append(torch.rand(batch, generator=source, dtype=torch.float64))
            replace.append(torch.rand(batch, frames, generator=source, dtype=torch.float64)[own])
            shape = (batch, frames) if sampled else (batch, 0)
            normal.append(torch.randn(*shape, dim + 1, generator=source, dtype=torch.float64)[own])
            uniform.append(torch.rand(*shape, 2, generator=source, dtype=torch.float64)[own])
        starts_LB = slots.starts(torch.stack(starts)).to(self.context.device)
        windows = shard.gather(starts_LB, frames, self.surrogate_L)
        noise = [torch.stack(part).to(windows) for part in (replace, normal, uniform)]
        if not sampled:  # nobody reads it
            noise[1] = windows.new_zeros(len(sources), len(own), frames, 1)
            noise[2] = windows.new_zeros(len(sources), len(own), frames, 2)
        return Batch(windows, *noise)


def _surveys(structure: Structure, train: Feed, context: Context) -> dict[str, Survey]:
    now, following = frame_pairs(train.shard(0), context.gather)
    return {
        name: survey(structure, steps) for name, steps in zip(train.surrogates, following - now, strict=True)
    }


def _evaluate(run: _Run, feed: Feed, baselines: Marginals | None) -> list[Scores]:
    """Each rank measures its own utterances; the sums are then those of all."""
    surrogates = [lane.surrogate for lane in run.lanes]
    own = evaluate(run.structure, run.pack.stacked, surrogates, feed, run.moments, baselines)
    ranks = run.context.gather([scores.to_json() for scores in own])
    return [merge(Scores.from_json(rank[lane]) for rank in ranks) for lane in range(len(run.lanes))]
