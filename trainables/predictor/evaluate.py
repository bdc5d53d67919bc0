"""Evaluation: one-step metrics and rollout curves of every lane, as sums and counts per speaker.

Definitions. At rollout step k, cos@k = cos(delta_pred, delta_true) and magnitude ratio@k = |delta_pred| /
|delta_true|, frame by frame, with delta_pred what the run fed back and delta_true the true step of that time;
state error@k is the distance of the reached from the true state over the RMS distance between random frames.
Frames that do not move at all (|delta_true| = 0) have no direction and are left out of both.

Shapes: L lanes, B windows, T frames of a window, C of context, K rollout steps, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.latents.windows import Feed, Moments, Shard
from trainables.predictor.config import Structure
from trainables.predictor.lanes import Stacked
from trainables.predictor.rollout import Predictor, free_run
from trainables.predictor.scores import Scores, merge

_WINDOWS_AT_ONCE = 256
_STILL = 1e-9  # |delta_true| below which a frame does not move, in units of the training RMS


class Baselines(Protocol):
    """Densities without context, one per surrogate: what a model must beat before it has learnt anything."""

    def nll(self, surrogate: str, z_next: Tensor, delta: Tensor) -> dict[str, Tensor]:
        """Named negative log-likelihoods of frames [..., D], nats: each [...]."""


def evaluate(
    structure: Structure,
    stacked: Stacked,
    surrogates: Sequence[str],
    feed: Feed,
    moments: Moments,
    baselines: Baselines | None = None,
) -> list[Scores]:
    """Scores of every lane on all utterances of a feed, each lane on the surrogate it was trained on.

    Where ``baselines`` are given the scores also hold their NLL on the same frames.
    """
    parts: list[list[Scores]] = [[] for _ in surrogates]
    for shard in feed.chunks():
        for lane, scores in enumerate(
            _evaluate_shard(structure, stacked, surrogates, feed, shard, moments, baselines)
        ):
            parts[lane].append(scores)
    return [merge(lane_parts) for lane_parts in parts]


def baseline_scores(feed: Feed, moments: Moments, context: int, horizon: int) -> dict[str, Scores]:
    """Rollout curves of predictors that learn nothing: "mean" jumps to the mean frame, "persistence" stands
    still.
    """
    parts: dict[str, list[Scores]] = {"mean": [], "persistence": []}
    for shard in feed.chunks():
        starts, owners = shard.evaluation_windows(context, horizon)
        window = shard.gather(
            torch.from_numpy(starts)[None], context + horizon, torch.zeros(1, dtype=torch.long)
        )[0]
        to_mean = torch.zeros_like(window[:, :horizon])
        to_mean[:, 0] = moments.mean_D.to(window) - window[:, context - 1]
        for name, deltas in (("mean", to_mean), ("persistence", torch.zeros_like(to_mean))):
            parts[name].append(
                _tally(_rollout_figures(window, deltas, context, moments), shard, owners, feed, horizon)
            )
    return {name: merge(scores) for name, scores in parts.items()}


@torch.no_grad()
def _evaluate_shard(
    structure: Structure,
    stacked: Stacked,
    surrogates: Sequence[str],
    feed: Feed,
    shard: Shard,
    moments: Moments,
    baselines: Baselines | None,
) -> list[Scores]:
    starts, owners = shard.evaluation_windows(structure.context, structure.horizon)
    lane_surrogates = torch.tensor(
        [feed.surrogates.index(name) for name in surrogates], device=shard.frames_SND.device
    )
    figures: list[list[dict[str, Tensor]]] = [[] for _ in surrogates]
    for first in range(0, len(starts), _WINDOWS_AT_ONCE):
        chosen = torch.from_numpy(starts[first : first + _WINDOWS_AT_ONCE]).to(shard.frames_SND.device)
        windows = shard.gather(
            chosen.expand(len(surrogates), -1), structure.context + structure.horizon, lane_surrogates
        )
        measured = stacked.map(
            lambda predictor, window, normal, uniform: _predict(
                structure, predictor, window, normal, uniform
            ),
            windows,
            *_noise(structure, windows),
        )
        for lane, name in enumerate(surrogates):
            own = {key: value[lane] for key, value in measured.items()}
            figures[lane].append(_figures(structure, windows[lane], own, moments, name, baselines))
    return [
        _tally({k: torch.cat([f[k] for f in lane]) for k in lane[0]}, shard, owners, feed, structure.horizon)
        for lane in figures
    ]


def _predict(
    structure: Structure, predictor: Predictor, window_BTD: Tensor, normal: Tensor, uniform: Tensor
) -> dict[str, Tensor]:
    """One lane's one-step predictions over the horizon, and its free run."""
    context, horizon = structure.context, structure.horizon
    h_BCH, state = predictor.backbone.read(window_BTD[:, :context])
    h_more, _ = predictor.backbone.read(window_BTD[:, context:-1], state)
    now = h_BCH[:, -1]
    distribution = predictor.head(torch.cat([now.unsqueeze(1), h_more], 1))
    last = window_BTD[:, context - 1]
    _, deltas = free_run(predictor, now, state, last, horizon, structure.feedback, normal, uniform)
    return {
        "nll": -distribution.log_prob(window_BTD[:, context:] - window_BTD[:, context - 1 : -1]),
        "direction": distribution.direction(),
        "log_magnitude": distribution.log_magnitude(),
        "deltas": deltas,
    }


def _figures(
    structure: Structure,
    window_BTD: Tensor,
    measured: Mapping[str, Tensor],
    moments: Moments,
    surrogate: str,
    baselines: Baselines | None,
) -> dict[str, Tensor]:
    """Every metric frame by frame, [B, K]; NaN where it is undefined."""
    true = window_BTD[:, structure.context :] - window_BTD[:, structure.context - 1 : -1]
    size = true.norm(dim=-1)
    moves = size > _STILL
    log_size = torch.where(moves, size, torch.nan).log()
    figures = {
        "nll": measured["nll"],
        "one_step_cosine": torch.where(moves, _cosine(measured["direction"], true), torch.nan),
        "log_magnitude": log_size,
        "log_magnitude_squared": log_size.square(),
        "log_magnitude_squared_error": (measured["log_magnitude"] - log_size).square(),
        **_rollout_figures(window_BTD, measured["deltas"], structure.context, moments),
    }
    if baselines is not None:
        figures |= baselines.nll(surrogate, window_BTD[:, structure.context :], true)
    return figures


def _rollout_figures(
    window_BTD: Tensor, deltas_BKD: Tensor, context: int, moments: Moments
) -> dict[str, Tensor]:
    steps = deltas_BKD.shape[1]
    true = window_BTD[:, context : context + steps] - window_BTD[:, context - 1 : context + steps - 1]
    size = true.norm(dim=-1)
    moves = size > _STILL
    reached = window_BTD[:, context - 1 : context] + deltas_BKD.cumsum(1)
    error = (reached - window_BTD[:, context : context + steps]).norm(dim=-1) / moments.frame_distance
    return {
        "cos": torch.where(moves, _cosine(deltas_BKD, true), torch.nan),
        "magnitude_ratio": torch.where(moves, deltas_BKD.norm(dim=-1) / size.clamp_min(_STILL), torch.nan),
        "state_error": error,
    }


def _tally(
    figures: Mapping[str, Tensor], shard: Shard, owners: np.ndarray, feed: Feed, horizon: int
) -> Scores:
    """Sums and counts per speaker; curves keep their K steps, one-step metrics add them up.

    An undefined frame (no movement) is not counted; a diverged prediction is infinite or NaN in ``nll`` or
    ``state_error``, which are always defined, and stays visible there.
    """
    speakers = sorted(set(shard.speakers))
    rows = torch.tensor([speakers.index(shard.speakers[owner]) for owner in owners])
    scores = Scores(speakers, feed.frame_rate, horizon)
    for name, values in figures.items():
        values = values.double().cpu()
        counted = torch.ones_like(values) if name in ("nll", "state_error") else (~values.isnan()).double()
        filled = values if name in ("nll", "state_error") else values.nan_to_num(0.0)
        if name not in ("cos", "magnitude_ratio", "state_error"):
            filled, counted = filled.sum(1), counted.sum(1)
        empty = torch.zeros(len(speakers), *filled.shape[1:], dtype=torch.float64)
        scores.sums[name] = empty.clone().index_add_(0, rows, filled).numpy()
        scores.counts[name] = empty.index_add_(0, rows, counted).numpy()
    return scores


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """0 where ``a`` has no direction: a predictor that stands still points nowhere."""
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp_min(1e-12)


def _noise(structure: Structure, windows_LBTD: Tensor) -> tuple[Tensor, Tensor]:
    """The same noise for every lane, window by window; only sampled feedback consumes it."""
    lanes, count, _, dim = windows_LBTD.shape
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(count, structure.horizon, dim + 1, generator=generator, dtype=torch.float64)
    uniform = torch.rand(count, structure.horizon, 2, generator=generator, dtype=torch.float64)
    shared = (noise.to(windows_LBTD).expand(lanes, -1, -1, -1) for noise in (normal, uniform))
    return next(shared), next(shared)
