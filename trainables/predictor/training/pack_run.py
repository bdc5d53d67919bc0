"""One pack on its way through training: its lanes, their state and results."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import frame_pairs, pooled_moments
from trainables.latents.batching.slots import Slots
from trainables.predictor.config import INFORMATION, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.heads import Survey, survey
from trainables.predictor.lanes.noise import epoch_noise
from trainables.predictor.lanes.optimiser import LaneAdamW, cosine_schedule
from trainables.predictor.lanes.optimiser_step import CapturedStep, EagerStep
from trainables.predictor.lanes.pack import Batch, StackedPack, lane_tensor
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import fit_baselines
from trainables.predictor.scores import LaneStatus, Scores, is_sampled
from trainables.training_context import Context


@dataclass
class LaneResult:
    """What is left of a lane: scores (None where it diverged, the last where it was stopped), weights."""

    status: LaneStatus
    scores: dict[str, Any] | None
    history: list[dict[str, Any]]
    parameters: int
    seconds: float
    state: dict[str, Tensor] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights, as plain values."""
        names = ("scores", "history", "parameters", "seconds")
        return {"status": str(self.status), **{name: getattr(self, name) for name in names}}


class Run:
    """A pack in training, able to stop after any epoch and go on from its state."""

    def __init__(self, structure: Structure, lanes: Sequence[Lane], train: Feed, context: Context) -> None:
        self.structure, self.lanes, self.train, self.context = structure, tuple(lanes), train, context
        shard = train.shard(0)
        self.moments = pooled_moments(context.gather(shard.tallies()))
        self.pack = StackedPack(structure, lanes, shard.dim, _surveys(structure, train, context)).to(
            context.device
        )
        some = next(self.pack.parameters())
        self.optimiser = LaneAdamW(
            list(self.pack.parameters()),
            lane_tensor(lanes, "learning_rate", some),
            lane_tensor(lanes, "weight_decay", some),
        )
        self.rows = list(range(len(lanes)))  # the lanes that are still in the pack
        self.ended: dict[int, LaneResult] = {}
        self.history: list[list[dict[str, Any]]] = [[] for _ in lanes]
        self.epoch, self.seconds = 0, [0.0] * len(lanes)
        saved = context.restore()
        if saved is not None:
            self._load(saved)
        self._prepare()

    @property
    def own(self) -> list[Lane]:
        """The lanes that are still in the pack."""
        return [self.lanes[row] for row in self.rows]

    @cached_property
    def marginals(self) -> Marginals | None:
        """What an exploration that ranks by information compares with; None where it does not."""
        if self.structure.objective.removeprefix("-") not in INFORMATION:
            return None
        return Marginals.fit(self.structure, self.train, self.moments, self.context.gather, own_family=False)

    @property
    def needs_samples(self) -> bool:
        """Whether the last epoch's scores hold those of sampled runs, which cost several single ones."""
        ranks = self.structure.rung_epochs > 0 or self.epoch == self.structure.epochs
        return ranks and is_sampled(self.structure.objective)

    def fit(self) -> None:
        """Fit every lane in closed form."""
        gather = self.context.gather
        fitted = fit_baselines(self.structure, self.own, self.train, self.moments, gather)
        self.pack.stacked = Stacked(fitted).to(self.context.device)

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """One epoch of ``structure.steps`` optimiser steps."""
        started = time.perf_counter()
        structure, lanes, device = self.structure, self.own, self.context.device
        phase = "teacher" if epoch < structure.teacher_epochs else "rollout"
        shard, frames = self.train.shard(epoch), structure.context + structure.rollout
        slots = Slots(
            shard, self.train.ids, structure.batch, frames, self.context.rank, self.context.world_size
        )
        surrogate_L = torch.tensor(
            [self.train.surrogates.index(lane.surrogate) for lane in lanes], device=device
        )
        like = shard.frames_SND[0]
        draws = structure.feedback == "sample" or self.pack.stacked.template.head.needs_noise
        noise = epoch_noise(structure, lanes, like, epoch, slots.owned, laws_draw=draws)
        pace = self._pace(epoch).to(like)
        total_L = torch.zeros(len(lanes), dtype=torch.float64, device=device)
        for drawn, (progress, factor) in zip(noise, pace, strict=True):
            windows = shard.gather(slots.starts(drawn.starts_LB).to(device), frames, surrogate_L)
            batch = Batch(windows, drawn.replace_LBT, drawn.normal_LBTE, drawn.uniform_LBT2, drawn.input_LBTD)
            total_L += self.step(batch, phase, progress, factor)
        means = np.mean(self.context.gather((total_L / structure.steps).cpu().numpy()), axis=0)
        self.epoch, seconds = epoch + 1, time.perf_counter() - started
        for row, loss in zip(self.rows, means, strict=True):
            self.seconds[row] += seconds / len(lanes)
            self.history[row].append(
                {"epoch": epoch, "phase": phase, "loss": float(loss), "seconds": seconds}
            )
        seen = structure.steps * structure.batch * frames * len(lanes)
        return {
            "epoch": epoch,
            "epochs": structure.epochs,
            "phase": phase,
            "seconds": seconds,
            "frames_per_second": seen / seconds,
        }

    def look(self, scores: Sequence[Scores]) -> list[Scores]:
        """Note an epoch's scores; drop the lanes that diverged and, at a rung, those of the worse half.

        Returns:
            The scores of the lanes that are left.
        """
        for row, own in zip(self.rows, scores, strict=True):
            self.history[row][-1] |= own.summary()
        healthy = [i for i, own in enumerate(scores) if self._is_healthy(i, own)]
        every = self.structure.rung_epochs
        if every and self.epoch % every == 0 and self.epoch < self.structure.epochs:
            ranked = sorted(healthy, key=lambda i: (-_or_worst(scores[i].value(self.structure.objective)), i))
            healthy = sorted(ranked[: math.ceil(len(self.rows) / 2)])
        dropped = [i for i in range(len(self.rows)) if i not in healthy]
        if dropped:
            for i in dropped:
                self.ended[self.rows[i]] = self._result(i, scores[i], LaneStatus.STOPPED)
            self._keep(healthy)
        return [scores[i] for i in healthy]

    def results(self, scores: Sequence[Scores]) -> list[LaneResult]:
        """Of all lanes, the dropped ones included."""
        places = zip(range(len(self.rows)), self.rows, scores, strict=True)
        last = {row: self._result(place, own, LaneStatus.FINISHED) for place, row, own in places}
        return [(self.ended | last)[row] for row in range(len(self.lanes))]

    def state(self) -> dict[str, Any]:
        """Everything needed to go on after this epoch: tensors, numbers and lists."""
        return {
            "pack": {name: tensor.detach().cpu() for name, tensor in self.pack.state_dict().items()},
            "optimiser": {name: tensor.cpu() for name, tensor in self.optimiser.state().items()},
            "epoch": self.epoch,
            "seconds": self.seconds,
            "history": self.history,
            "rows": self.rows,
            "ended": {row: result.to_json() for row, result in self.ended.items()},
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        self.ended = {
            row: LaneResult(**{**result, "status": LaneStatus(result["status"])})
            for row, result in state["ended"].items()
        }
        self.rows = list(state["rows"])
        self._shrink(self.rows)
        self.pack.load_state_dict(state["pack"])
        self.optimiser.load(state["optimiser"])
        self.epoch, self.seconds, self.history = state["epoch"], state["seconds"], state["history"]

    def _keep(self, places: Sequence[int]) -> None:
        """Go on with the lanes at these places alone."""
        self._shrink(places)
        self.rows = [self.rows[i] for i in places]
        self._prepare()

    def _shrink(self, places: Sequence[int]) -> None:
        self.pack.keep(places)
        self.optimiser.keep(list(self.pack.parameters()), places)

    def _prepare(self) -> None:
        """Wrap for data-parallel training; a pack that trains alone on a GPU runs captured."""
        if not self.rows or self.structure.epochs == 0:  # nothing to train
            return
        wrapped = self.context.prepare(self.pack)
        alone = self.context.device.type == "cuda" and wrapped is self.pack
        self.step = (CapturedStep if alone else EagerStep)(wrapped, self.optimiser)

    def _pace(self, epoch: int) -> Tensor:
        """Share of its phase that has passed, and factor of the learning rates, at every step: [steps, 2]."""
        structure, first = self.structure, epoch * self.structure.steps
        teacher, rollout = (n * structure.steps for n in (structure.teacher_epochs, structure.rollout_epochs))
        rows = []
        for done in range(first, first + structure.steps):
            progress = done / teacher if done < teacher else (done - teacher) / rollout
            rows.append((progress, cosine_schedule(done, structure.epochs * structure.steps)))
        return torch.tensor(rows, dtype=torch.float64)

    def _is_healthy(self, place: int, scores: Scores) -> bool:
        finite = all(np.isfinite(values).all() for values in scores.sums.values())
        return finite and bool(self.optimiser.alive_L[place])

    def _result(self, place: int, scores: Scores, status: LaneStatus) -> LaneResult:
        healthy, row = self._is_healthy(place, scores), self.rows[place]
        return LaneResult(
            status=status if healthy else LaneStatus.DIVERGED,
            scores=scores.to_json() if healthy else None,
            history=self.history[row],
            parameters=self.pack.stacked.parameters_each,
            seconds=self.seconds[row],
            state=self.pack.lane_state(place),
        )


def _or_worst(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _surveys(structure: Structure, train: Feed, context: Context) -> dict[str, Survey]:
    now, following = frame_pairs(train.shard(0), context.gather)
    return {
        name: survey(structure, steps) for name, steps in zip(train.surrogates, following - now, strict=True)
    }
