"""One pack on its way through training: its lanes, their state and how they end.

Shapes: L lanes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.slots import Slots, owned_slots
from trainables.predictor.config import INFORMATION, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.heads import survey
from trainables.predictor.lanes.noise import epoch_noise
from trainables.predictor.lanes.optimiser import LaneAdamW
from trainables.predictor.lanes.optimiser_step import CapturedStep, EagerStep
from trainables.predictor.lanes.pack import Batch, StackedPack, lane_tensor
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import fit_baselines
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.course import Course
from trainables.predictor.training.held_out import held_out_losses
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.rungs import better_half
from trainables.predictor.training.schedule import (
    ROLLOUT,
    TEACHER,
    epoch_steps,
    first_epoch,
    learning_rates,
    phase_epochs,
    progress,
)
from trainables.training_context import Context


class PackRun:
    """A pack in training, able to stop after any epoch and go on from its state.

    In each phase a lane learns until its course is over, then it is set aside in the best state it had, and
    its neighbours go on without it. The next phase begins with all lanes again. What a lane learns is the
    same whoever is beside it.
    """

    def __init__(
        self,
        structure: Structure,
        lanes: Sequence[Lane],
        train: Feed,
        context: Context,
        validation: Feed | None = None,
    ) -> None:
        """Begin with fresh lanes, or where ``context`` was interrupted.

        Args:
            train: frames to learn from; holds the surrogates that the lanes name.
            validation: frames by which a lane's best state is chosen and its patience counted; None where
                phases last as long as they may and the last state is judged.
        """
        self.structure, self.lanes, self.train, self.context = structure, tuple(lanes), train, context
        self.validation = validation
        self.data = PreparedData.from_feed(train, context.gather)
        surveys = {
            name: survey(structure, self.data.steps(name), self.data.frames(name))
            for name in self.data.surrogates
        }
        self.pack = StackedPack(structure, lanes, self.data.dim, surveys).to(context.device)
        self.phase, self.epoch = TEACHER, 0
        self.rows = list(range(len(lanes)))  # the lanes in the program; others are set aside, or have ended
        self.ended: dict[int, LaneResult] = {}
        self.courses = [{TEACHER: Course()} for _ in lanes]
        self.kept: dict[int, dict[str, Tensor]] = {}  # the best state of each lane in this phase
        self.skipped = [0] * len(lanes)  # steps that were not finite, in the phases before this one
        self.dead: set[int] = set()  # lanes that stopped learning since too many of their steps were not
        self.history: list[list[dict[str, Any]]] = [[] for _ in lanes]
        self.seconds = [0.0] * len(lanes)
        self.optimiser = self._fresh_optimiser()
        saved = context.restore()
        if saved is not None:
            self._load(saved)
        self.step = self._training_step()

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return epoch_steps(self.structure, self.data.moments.frames)

    @property
    def lanes_left(self) -> list[Lane]:
        """The lanes that are in the program."""
        return [self.lanes[row] for row in self.rows]

    @cached_property
    def marginals(self) -> Marginals | None:
        """What an exploration that ranks by information compares with; None where it does not."""
        if self.structure.objective.removeprefix("-") not in INFORMATION:
            return None
        return Marginals.fit(self.structure, self.data, own_family=False)

    def fit(self) -> None:
        """Fit every lane in closed form, in place of any training."""
        fitted = fit_baselines(self.structure, self.lanes_left, self.train, self.data, self.context.gather)
        self.pack.stacked = Stacked(fitted).to(self.context.device)

    def next_epoch(self) -> int | None:
        """The number of the epoch to train next, of the next phase where this one is over; None where nothing
        is left to train.
        """
        if self.structure.epochs == 0:
            return None
        while not self.rows or self._epoch_of_phase >= phase_epochs(self.structure, self.phase):
            if self.phase == ROLLOUT or not self.structure.rollout_epochs or not self._living:
                return None
            self.begin_rollout()
        return self.epoch

    def begin_rollout(self) -> None:
        """Go on to rollout training with every lane that is left, in the best state that it came to."""
        living, states = self._living, self._settled()
        for row, skipped in zip(self.rows, self.optimiser.skipped_L.tolist(), strict=False):
            self.skipped[row] += skipped
        self.pack.take([self.lanes[row] for row in living], states)
        self.phase, self.epoch, self.rows = ROLLOUT, self.structure.teacher_epochs, living
        self.optimiser = self._fresh_optimiser()
        self.step = self._training_step()
        self.kept = {}
        for row in living:
            self.courses[row][ROLLOUT] = Course()

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """Train for one epoch; return what to report of it."""
        if self.step is None:
            raise RuntimeError("there is nothing to train: no lane is left, or the head is fitted")
        started, waited = time.perf_counter(), self.train.seconds_waited
        structure, phase, steps = self.structure, self.phase, self.steps
        for row in self.rows:
            self.courses[row][phase].begin_epoch(structure, phase, epoch - first_epoch(structure, phase))
        total_L = torch.zeros(len(self.rows), dtype=torch.float64, device=self.context.device)
        for batch, grown, factor_L in self._batches(epoch):
            total_L += self.step(batch, phase, grown, factor_L)
        means = np.mean(self.context.gather((total_L / steps).cpu().numpy()), axis=0)
        skipped_L, alive_L = self.optimiser.skipped_L.tolist(), self.optimiser.alive_L.tolist()
        self.dead |= {row for row, alive in zip(self.rows, alive_L, strict=True) if not alive}
        self.epoch, seconds = epoch + 1, time.perf_counter() - started
        for row, loss, skipped in zip(self.rows, means, skipped_L, strict=True):
            self.seconds[row] += seconds / len(self.rows)
            entry = {"epoch": epoch, "phase": phase, "loss": float(loss), "seconds": seconds}
            skipped += self.skipped[row]
            self.history[row].append(entry | ({"skipped_steps": skipped} if skipped else {}))
        seen = steps * structure.batch * structure.window_frames * len(self.rows)
        return {
            "epoch": epoch,
            "epochs": structure.epochs,
            "phase": phase,
            "seconds": seconds,
            "seconds_waited": self.train.seconds_waited - waited,
            "frames_per_second": seen / seconds,
        }

    def look(self, scores: Sequence[Scores]) -> None:
        """Note what an epoch came to on validation speakers. Keep the best states; drop the lanes that
        diverged and, at a rung, those of the worse half; set aside those whose course is over.

        Args:
            scores: of the lanes in the program.
        """
        losses = self._losses(scores)
        with self.optimiser.judged_weights():
            for place, row in enumerate(self.rows):
                self.history[row][-1] |= scores[place].summary(self.structure.objective)
                if self._course_is_better(row, losses[place]):
                    self.kept[row] = self.pack.lane_state(place)
        healthy = [place for place in range(len(scores)) if self._is_healthy(place)]
        kept = better_half(self.structure, self.epoch, healthy, scores)
        for place in range(len(self.rows)):
            if place not in kept:
                self.ended[self.rows[place]] = self._result(place, scores[place], LaneStatus.STOPPED)
        going = [place for place in kept if not self._is_over(self.rows[place])]
        for place in kept:
            if place in going:
                self._cool_from_best(place)
            else:  # one whose loss was never a number goes on as it is
                self.kept.setdefault(self.rows[place], self.pack.lane_state(place))
        if len(going) < len(self.rows):
            self._keep(going)

    def look_ahead(self, scores: Sequence[Scores]) -> None:
        """Note what lanes come to before a phase, so that a phase which only harms them leaves no trace."""
        for place, (row, loss) in enumerate(zip(self.rows, self._losses(scores), strict=True)):
            if self.courses[row][self.phase].look(self.structure, self.phase, -1, loss):
                self.kept[row] = self.pack.lane_state(place)

    def finish(self) -> None:
        """Put every lane that has not diverged or been dropped into the state that is judged."""
        if self.structure.epochs == 0:
            return
        living = self._living
        if living:
            self.pack.take([self.lanes[row] for row in living], self._settled())
        self.rows, self.step = living, None

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
            "phase": self.phase,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "dead": list(self.dead),
            "history": self.history,
            "rows": self.rows,
            "kept": self.kept,
            "courses": [{phase: course.to_json() for phase, course in own.items()} for own in self.courses],
            "ended": {row: result.to_json() for row, result in self.ended.items()},
        }

    @property
    def _epoch_of_phase(self) -> int:
        """How many epochs of this phase have passed."""
        return self.epoch - first_epoch(self.structure, self.phase)

    @property
    def _living(self) -> list[int]:
        """The lanes that have neither diverged nor been dropped."""
        return [row for row in range(len(self.lanes)) if row not in self.ended]

    def _batches(self, epoch: int) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        """Yield what each step of an epoch takes: a batch, how far what grows in the phase has grown [], and
        the factor of every lane's learning rate [L].
        """
        structure, lanes, context, steps = self.structure, self.lanes_left, self.context, self.steps
        train, frames, ranks = self.train, structure.window_frames, (context.rank, context.world_size)
        chunks, per_step = train.chunks_of_all, structure.batch * frames
        stints = chunks.stints(epoch, steps, per_step, frames)
        surrogate_L = torch.tensor(
            [self.train.surrogates.index(lane.surrogate) for lane in lanes], device=context.device
        )
        like = self.data.pairs_2SND.new_empty(0, self.data.dim, device=context.device)
        owned = owned_slots(structure.batch, *ranks, chunk=train.in_chunks)
        runs = structure.rollout_draws if self.phase == ROLLOUT and structure.rollout_loss != "nll" else 1
        draws = structure.feedback == "sample" or self.pack.stacked.template.head.needs_noise or runs > 1
        noise = epoch_noise(structure, lanes, like, epoch, steps, owned, laws_draw=draws, runs=runs)
        number = epoch - first_epoch(structure, self.phase)
        cooling_from = [self.courses[row][self.phase].cooling_from for row in self.rows]
        rates = learning_rates(structure, self.phase, number, cooling_from, steps).to(like)
        for visit, own_steps in stints:
            shard = train.shard(visit, frames)
            ids = train.chunk_ids(visit, frames)
            slots = Slots(shard, ids, structure.batch, frames, *ranks, chunk=train.in_chunks)
            if epoch + 1 < structure.epochs or visit < stints[-1][0]:
                train.ahead(visit + 1, frames)
            for step in own_steps:
                drawn = next(noise)
                starts_LB = slots.starts(drawn.starts_LB).to(context.device)
                grown = like.new_tensor(progress(structure, self.phase, number * steps + step, steps))
                yield Batch(shard.gather(starts_LB, frames, surrogate_L), drawn.noise), grown, rates[step]
            del shard, slots

    def _losses(self, scores: Sequence[Scores]) -> list[float]:
        """What every lane in the program wants less of, on validation speakers: under teacher forcing its
        loss, in rollout training minus the objective, since the loss of a free run is lower for one that
        hardly moves than for one that goes where it should.
        """
        if self.validation is None:
            raise RuntimeError("nobody may look at a pack that has no validation speakers")
        if self.phase == ROLLOUT:
            values = [lane.value(self.structure.objective) for lane in scores]
            return [-value if math.isfinite(value) else math.inf for value in values]
        with self.optimiser.judged_weights():
            return held_out_losses(self.structure, self.pack, self.validation, self.context.gather)

    def _course_is_better(self, row: int, loss: float) -> bool:
        course = self.courses[row][self.phase]
        entry = self.history[row][-1]
        if self.phase == TEACHER:
            entry["validation_loss"] = loss
        entry["cooling"] = course.cooling_from is not None
        return course.look(self.structure, self.phase, self._epoch_of_phase - 1, loss)

    def _is_over(self, row: int) -> bool:
        return self.courses[row][self.phase].has_cooled(self.structure, self.phase, self._epoch_of_phase)

    def _cool_from_best(self, place: int) -> None:
        """Where a lane's patience has just come to its end, go back to its best state, to cool from there."""
        row = self.rows[place]
        course = self.courses[row][self.phase]
        if course.cooling_from != self._epoch_of_phase or not course.stale or row not in self.kept:
            return
        self.pack.stacked.put(place, self.kept[row])
        self.optimiser.restart_average(place)

    def _settled(self) -> list[dict[str, Tensor]]:
        """The state that every living lane goes on with: its best one, or the last where nobody looked."""
        with self.optimiser.judged_weights():
            now = {row: self.pack.lane_state(place) for place, row in enumerate(self.rows)}
        return [(now | self.kept)[row] for row in self._living]

    def _fresh_optimiser(self) -> LaneAdamW:
        some = next(self.pack.parameters())
        lanes = self.lanes_left
        return LaneAdamW(
            list(self.pack.parameters()),
            lane_tensor(lanes, "learning_rate", some),
            lane_tensor(lanes, "weight_decay", some),
            clip=self.structure.clip,
            ema=self.structure.ema,
        )

    def _load(self, state: Mapping[str, Any]) -> None:
        self.ended = {
            row: LaneResult(**{**result, "status": LaneStatus(result["status"])})
            for row, result in state["ended"].items()
        }
        self.courses = [{phase: Course(**own) for phase, own in lane.items()} for lane in state["courses"]]
        for name in ("phase", "epoch", "seconds", "skipped", "history", "kept"):
            setattr(self, name, state[name])
        self.rows, self.dead = list(state["rows"]), set(state["dead"])
        if self.rows:  # else the phase was over, and what goes on is what was kept
            self._shrink(self.rows)
            self.pack.load_state_dict(state["pack"])
            self.optimiser.load(state["optimiser"])

    def _keep(self, places: Sequence[int]) -> None:
        """Go on with the lanes at these places alone."""
        skipped = self.optimiser.skipped_L.tolist()
        for place, row in enumerate(self.rows):
            if place not in places:
                self.skipped[row] += skipped[place]
        if places:
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
        return finite and self.rows[place] not in self.dead

    def _result(self, place: int, scores: Scores, status: LaneStatus) -> LaneResult:
        healthy, row = self._is_healthy(place), self.rows[place]
        return LaneResult(
            status=status if healthy else LaneStatus.DIVERGED,
            scores=scores.to_json() if healthy else None,
            history=self.history[row],
            courses={phase: course.to_json() for phase, course in self.courses[row].items()},
            parameters=self.pack.stacked.parameters_each,
            seconds=self.seconds[row],
            state=self.pack.lane_state(place),
        )
