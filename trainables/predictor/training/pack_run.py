"""One pack on its way through training: its lanes, their state and how they end.

Shapes: L lanes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.slots import Slots
from trainables.predictor.config import INFORMATION, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.heads import survey
from trainables.predictor.lanes.noise import epoch_noise
from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.optimiser_step import CapturedStep, EagerStep
from trainables.predictor.lanes.pack import Batch, StackedPack, lane_tensor
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import fit_baselines
from trainables.predictor.scores import LaneStatus, Scores, is_sampled
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.rungs import better_half
from trainables.predictor.training.schedule import epoch_schedule, phase_of
from trainables.training_context import Context


class PackRun:
    """A pack in training, able to stop after any epoch and go on from its state."""

    def __init__(self, structure: Structure, lanes: Sequence[Lane], train: Feed, context: Context) -> None:
        """Begin with fresh lanes, or where ``context`` was interrupted.

        Args:
            train: frames to learn from; holds the surrogates that the lanes name.
        """
        self.structure, self.lanes, self.train, self.context = structure, tuple(lanes), train, context
        self.data = PreparedData.from_feed(train, context.gather)
        surveys = {
            name: survey(structure, self.data.steps(name), self.data.frames(name))
            for name in self.data.surrogates
        }
        self.pack = StackedPack(structure, lanes, self.data.dim, surveys).to(context.device)
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
        self.step = self._training_step()

    @property
    def lanes_left(self) -> list[Lane]:
        """The lanes that are still in the pack."""
        return [self.lanes[row] for row in self.rows]

    @cached_property
    def marginals(self) -> Marginals | None:
        """What an exploration that ranks by information compares with; None where it does not."""
        if self.structure.objective.removeprefix("-") not in INFORMATION:
            return None
        return Marginals.fit(self.structure, self.data, own_family=False)

    @property
    def needs_samples(self) -> bool:
        """Whether the last epoch's scores hold those of sampled runs, which cost several single ones."""
        ranks = self.structure.rung_epochs > 0 or self.epoch == self.structure.epochs
        return ranks and is_sampled(self.structure.objective)

    def fit(self) -> None:
        """Fit every lane in closed form, in place of any training."""
        fitted = fit_baselines(self.structure, self.lanes_left, self.train, self.data, self.context.gather)
        self.pack.stacked = Stacked(fitted).to(self.context.device)

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """Train for one epoch of ``structure.steps`` optimiser steps; return what to report of it."""
        if self.step is None:
            raise RuntimeError("there is nothing to train: no lane is left, or the head is fitted")
        started = time.perf_counter()
        structure, phase = self.structure, phase_of(self.structure, epoch)
        total_L = torch.zeros(len(self.rows), dtype=torch.float64, device=self.context.device)
        for batch, progress, factor in self._batches(epoch):
            total_L += self.step(batch, phase, progress, factor)
        means = np.mean(self.context.gather((total_L / structure.steps).cpu().numpy()), axis=0)
        skipped_L = self.optimiser.skipped_L.tolist()
        self.epoch, seconds = epoch + 1, time.perf_counter() - started
        for row, loss, skipped in zip(self.rows, means, skipped_L, strict=True):
            self.seconds[row] += seconds / len(self.rows)
            entry = {"epoch": epoch, "phase": phase, "loss": float(loss), "seconds": seconds}
            self.history[row].append(entry | ({"skipped_steps": skipped} if skipped else {}))
        frames = structure.context + structure.rollout
        seen = structure.steps * structure.batch * frames * len(self.rows)
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
        for row, lane_scores in zip(self.rows, scores, strict=True):
            self.history[row][-1] |= lane_scores.summary()
        healthy = [place for place in range(len(scores)) if self._is_healthy(place)]
        kept = better_half(self.structure, self.epoch, healthy, scores)
        dropped = [place for place in range(len(self.rows)) if place not in kept]
        if dropped:
            for place in dropped:
                self.ended[self.rows[place]] = self._result(place, scores[place], LaneStatus.STOPPED)
            self._keep(kept)
        return [scores[place] for place in kept]

    def results(self, scores: Sequence[Scores]) -> list[LaneResult]:
        """Results of all lanes, the dropped ones included; ``scores`` are of those that are left."""
        places = zip(range(len(self.rows)), self.rows, scores, strict=True)
        last = {
            row: self._result(place, lane_scores, LaneStatus.FINISHED) for place, row, lane_scores in places
        }
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

    def _batches(self, epoch: int) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Yield what each step of an epoch takes: a batch, the share of the phase that has passed [], and the
        factor of the learning rates [].
        """
        structure, lanes, context = self.structure, self.lanes_left, self.context
        shard, frames = self.train.shard(epoch), structure.context + structure.rollout
        slots = Slots(shard, self.train.ids, structure.batch, frames, context.rank, context.world_size)
        surrogate_L = torch.tensor(
            [self.train.surrogates.index(lane.surrogate) for lane in lanes], device=context.device
        )
        like = shard.frames_SND[0]
        draws = structure.feedback == "sample" or self.pack.stacked.template.head.needs_noise
        noise = epoch_noise(structure, lanes, like, epoch, slots.owned, laws_draw=draws)
        schedule = epoch_schedule(structure, epoch).to(like)
        for drawn, (progress, factor) in zip(noise, schedule, strict=True):
            starts_LB = slots.starts(drawn.starts_LB).to(context.device)
            yield Batch(shard.gather(starts_LB, frames, surrogate_L), drawn.noise), progress, factor

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
        self.rows = [self.rows[place] for place in places]
        self.step = self._training_step()

    def _shrink(self, places: Sequence[int]) -> None:
        self.pack.keep(places)
        self.optimiser.keep(list(self.pack.parameters()), places)

    def _training_step(self) -> EagerStep | CapturedStep | None:
        """A step of the lanes that are left, data-parallel where several workers train, captured where one
        trains on a GPU; None where there is nothing to train.
        """
        if not self.rows or self.structure.epochs == 0:
            return None
        wrapped = self.context.prepare(self.pack)
        captured = self.context.device.type == "cuda" and wrapped is self.pack
        return (CapturedStep if captured else EagerStep)(wrapped, self.optimiser)

    def _is_healthy(self, place: int) -> bool:
        """Whether training has gone well. What a sound predictor is measured by may still be no number: that
        measure fails alone, and a free run that runs away is a result.
        """
        finite = all(tensor.isfinite().all() for tensor in self.pack.lane_state(place).values())
        return finite and bool(self.optimiser.alive_L[place])

    def _result(self, place: int, scores: Scores, status: LaneStatus) -> LaneResult:
        healthy, row = self._is_healthy(place), self.rows[place]
        return LaneResult(
            status=status if healthy else LaneStatus.DIVERGED,
            scores=scores.to_json() if healthy else None,
            history=self.history[row],
            parameters=self.pack.stacked.parameters_each,
            seconds=self.seconds[row],
            state=self.pack.lane_state(place),
        )
