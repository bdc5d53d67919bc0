"""What a pack costs, from a few of its steps: for planning, before any data is opened.

The probe runs the loop that training runs, on random frames: neither what a step computes nor how long it
takes depends on what the frames say.

Shapes: L lanes, D latent dimensions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.evaluation.options import (
    EVERYTHING,
    LOOK_WINDOWS,
    judged_windows,
    look_options,
    ranked_windows,
)
from trainables.predictor.training.held_out import MOST_WINDOWS
from trainables.predictor.training.pack_run import PackRun
from trainables.predictor.training.schedule import epoch_steps
from trainables.training_context import SoloContext

# Random utterances, and the fewest frames of each: more than a head has codes.
_UTTERANCES, _FRAMES = 32, 32
# The fewest windows of an evaluation that is timed: as many as it takes to use the device well.
_WINDOWS = 64
# Repeats of what is timed as a whole; the shortest counts, as what holds a call up is not its cost.
_REPEATS = 2
# A look at held-out windows goes forward only, which takes about this share of a step on as many.
_FORWARD_SHARE = 0.3
# Steps before the clock runs; on a GPU one of them is captured.
_WARM_UP = {"cpu": 1, "cuda": 5}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Costs of a whole pack of L lanes.

    Attributes:
        teacher_step: seconds per optimiser step of teacher forcing; 0 where a head is fitted in closed form.
        rollout_step: seconds per optimiser step of rollout training; likewise.
        look_window: seconds per evaluation window, of all lanes, in a look after an epoch.
        final_window: likewise in the last evaluation, with injections, marginals and sampled runs.
        marginals: seconds, once before the last evaluation, to fit the densities that know no past.
        parameters: learnt numbers of one lane.
        bytes: what one lane's weights and buffers take.
    """

    teacher_step: float
    rollout_step: float
    look_window: float
    final_window: float
    marginals: float
    parameters: int
    bytes: int

    def seconds(self, structure: Structure, frames: int, validation: int, test: int = 0) -> float:
        """Seconds that a pack takes at most, from its first step to its last score.

        No lane ends by its patience or at a rung, and fitting in closed form is not counted. ``structure``
        may differ from the probe's in steps and epochs.

        Args:
            frames: of training.
            validation: windows that are looked at after every epoch.
            test: windows that are judged at the end; 0 of an exploration, which is judged on validation.
        """
        trained = epoch_steps(structure, frames) * (
            structure.teacher_epochs * self.teacher_step + structure.rollout_epochs * self.rollout_step
        )
        held_out = min(MOST_WINDOWS, validation) / structure.batch * _FORWARD_SHARE
        trained += held_out * structure.teacher_epochs * self.teacher_step
        looks = structure.epochs + len(structure.swept_temperatures)
        looked_at = looks * min(LOOK_WINDOWS, validation)
        if not test:
            ranked_by = min(ranked_windows(structure.objective) or validation, validation)
            return trained + (looked_at + ranked_by) * self.look_window
        judged = min(judged_windows(structure.objective) or test, test)
        return trained + looked_at * self.look_window + self.marginals + judged * self.final_window


def pace(
    structure: Structure,
    lanes: int,
    dim: int,
    device: torch.device | str = "cpu",
    steps: int = 4,
    like: Lane | None = None,
) -> Pace:
    """Time a pack of ``lanes`` lanes on latents of ``dim`` dimensions, in a few seconds.

    Args:
        structure: what the lanes share; its steps and epochs do not matter here.
        steps: optimiser steps timed per phase, after others that warm up; at least 1.
        like: settings of every lane. Scheduled sampling and noise on inputs cost time, their amounts do not.
    """
    like = like or Lane()
    own = replace(structure, teacher_epochs=2, rollout_epochs=2)
    feed = random_feed(own, dim, device)
    run = PackRun(own, [replace(like, seed=seed) for seed in range(lanes)], feed, SoloContext(device))
    teacher = _step_seconds(run, steps)
    if structure.head not in FITTED_HEADS:
        run.begin_rollout()
    rollout = _step_seconds(run, steps)
    fit, marginals = _marginals(run, steps)
    return Pace(
        teacher_step=teacher,
        rollout_step=rollout,
        look_window=_window_seconds(run, None),
        final_window=_window_seconds(run, marginals),
        marginals=fit,
        parameters=run.pack.stacked.parameters_each,
        bytes=sum(tensor.numel() * tensor.element_size() for tensor in run.pack.lane_state(0).values()),
    )


def random_feed(structure: Structure, dim: int, device: torch.device | str) -> Feed:
    """White frames and their nulls, resident on the device: as many evaluation windows as are timed."""
    windows = -(-_WINDOWS // _UTTERANCES)
    frames = max(_FRAMES, structure.window_frames, structure.context + windows * structure.horizon)
    rng = np.random.default_rng(0)
    values = pa.array(rng.standard_normal(_UTTERANCES * frames * dim, np.float32))
    latents = pa.ListArray.from_arrays(
        pa.array(np.arange(_UTTERANCES + 1, dtype=np.int32) * frames),
        pa.FixedSizeListArray.from_arrays(values, dim),
    )
    ids = [f"random-{i:02d}" for i in range(_UTTERANCES)]
    table = pa.table({"utterance_id": ids, "speaker_id": ids, "latents": latents})
    return Feed(
        lambda: [table],
        rms=1.0,
        lattice_step=None,
        frame_rate=1.0,  # nothing that is timed depends on it
        surrogates=SURROGATES,
        device=device,
        dtype=getattr(torch, structure.dtype),
    )


def _step_seconds(run: PackRun, steps: int) -> float:
    """Seconds of one optimiser step in the run's phase; 0 where nothing is trained."""
    if run.structure.head in FITTED_HEADS:
        return 0.0
    epoch = run.epoch
    run.structure = replace(run.structure, steps=_WARM_UP[run.context.device.type])
    run.train_epoch(epoch)
    run.structure = replace(run.structure, steps=1)  # one by one, so that one that was held up does not count
    return median(run.train_epoch(epoch)["seconds"] for _ in range(steps))


def _marginals(run: PackRun, steps: int) -> tuple[float, Marginals]:
    """Seconds of a whole fit of the densities without context, from two short ones, and such densities."""

    def fit(steps: int) -> Marginals:
        return Marginals.fit(replace(run.structure, marginal_steps=steps), run.data)

    marginals = fit(1)  # warms up
    if run.structure.head in FITTED_HEADS or not run.pack.stacked.template.head.has_density:
        return _seconds(run, fit, 1), marginals  # no head is fitted: no steps
    short, long = (_seconds(run, fit, 1 + more) for more in (0, steps))
    return short + max(0.0, long - short) / steps * (run.structure.marginal_steps - 1), marginals


def _window_seconds(run: PackRun, marginals: Marginals | None) -> float:
    """Seconds of one evaluation window of a look or, with marginals, of the last evaluation."""
    options = EVERYTHING if marginals is not None else look_options(run.structure, 0)
    names = [lane.surrogate for lane in run.lanes]

    def look(feed: Feed) -> None:
        evaluate(run.structure, run.pack.stacked, names, feed, run.data.moments, marginals, options=options)

    starts, _ = run.train.shard(0).evaluation_windows(run.structure.context, run.structure.horizon)
    return _seconds(run, look, run.train) / len(starts)


def _seconds(run: PackRun, function: Callable[..., Any], *args: Any) -> float:
    """Seconds of one call, the least of a few; the work that it leaves on a GPU is included."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        function(*args)
        if run.context.device.type == "cuda":
            torch.cuda.synchronize(run.context.device)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
