"""Evaluation: one-step metrics and rollout curves of every lane, as sums and counts per speaker.

Definitions. At rollout step k, cos@k = cos(delta_pred, delta_true) and magnitude ratio@k = |delta_pred| /
|delta_true|, frame by frame, with delta_pred what the run fed back and delta_true the true step of that time;
state error@k is the distance of the reached from the true state over the RMS distance between random frames;
energy score@k and CRPS@k are proper scores of the states that sampled runs reach, in the same unit.
Frames that do not move at all (|delta_true| = 0) have no direction and are left out of both.

Shapes: L lanes, B windows, T frames of a window, C of context, K rollout steps, D latent dimensions,
S sampled runs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Moments, Shard
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.metrics import INJECTIONS, Baselines, figures_of, rollout_figures
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.model.rollout import Injection, free_run
from trainables.predictor.scores import Scores, is_curve, merge

_ENSEMBLE = 4  # sampled runs per window; the scores' mean does not depend on their number
_WINDOWS_AT_ONCE = 256
_ALWAYS_DEFINED = ("nll", "state_error", "energy_score", "crps")


def evaluate(
    structure: Structure,
    stacked: Stacked,
    surrogates: Sequence[str],
    feed: Feed,
    moments: Moments,
    baselines: Baselines | None = None,
    *,
    inject: bool = False,
    sampled: bool = False,
    free_running: bool = True,
) -> list[Scores]:
    """Scores of every lane on all utterances of a feed, each lane on the surrogate it was trained on.

    Where ``baselines`` are given the scores also hold their NLL on the same frames; with ``inject``, the
    injection diagnostic; with ``sampled``, proper scores of sampled runs. Without ``free_running`` they hold
    what one step ahead says, and no run is made.
    """
    parts: list[list[Scores]] = [[] for _ in surrogates]
    for shard in feed.chunks():
        for lane, scores in enumerate(
            _evaluate_shard(
                structure,
                stacked,
                surrogates,
                feed,
                shard,
                moments,
                baselines,
                inject=inject,
                sampled=sampled,
                free_running=free_running,
            )
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
                _tally(rollout_figures(window, deltas, context, moments), shard, owners, feed, horizon)
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
    *,
    inject: bool,
    sampled: bool,
    free_running: bool,
) -> list[Scores]:
    starts, owners = shard.evaluation_windows(structure.context, structure.horizon)
    lane_surrogates = torch.tensor(
        [feed.surrogates.index(name) for name in surrogates], device=shard.frames_SND.device
    )
    figures: list[list[dict[str, Tensor]]] = [[] for _ in surrogates]
    names = [f"{shard.ids[u]}/{start - shard.offsets[u]}" for u, start in zip(owners, starts, strict=True)]
    samples = sampled or (free_running and structure.feedback == "sample")
    for first in range(0, len(starts), _WINDOWS_AT_ONCE):
        chosen = torch.from_numpy(starts[first : first + _WINDOWS_AT_ONCE]).to(shard.frames_SND.device)
        windows = shard.gather(
            chosen.expand(len(surrogates), -1), structure.context + structure.horizon, lane_surrogates
        )
        drawn = names[first : first + _WINDOWS_AT_ONCE]
        noise = _noise(structure, windows, drawn) if samples else _silence(structure, windows)
        measured = stacked.map(
            lambda predictor, window, normal, uniform: _predict(
                structure,
                predictor,
                window,
                normal,
                uniform,
                runs=free_running,
                inject=inject,
                sampled=sampled,
            ),
            windows,
            *(part.expand(len(surrogates), *part.shape) for part in noise),
        )
        for lane, name in enumerate(surrogates):
            own = {key: value[lane] for key, value in measured.items()}
            figures[lane].append(figures_of(structure, windows[lane], own, moments, name, baselines))
    return [
        _tally({k: torch.cat([f[k] for f in lane]) for k in lane[0]}, shard, owners, feed, structure.horizon)
        for lane in figures
    ]


def _predict(
    structure: Structure,
    predictor: Predictor,
    window_BTD: Tensor,
    normal_SBKE: Tensor,
    uniform_SBK2: Tensor,
    *,
    runs: bool,
    inject: bool,
    sampled: bool,
) -> dict[str, Tensor]:
    """One lane's one-step predictions over the horizon, and the free runs that are asked for."""
    context, horizon = structure.context, structure.horizon
    h_BCH, state = predictor.backbone.read(window_BTD[:, :context])
    h_more, _ = predictor.backbone.read(window_BTD[:, context:-1], state)
    now, last = h_BCH[:, -1], window_BTD[:, context - 1]
    law = predictor.head(torch.cat([now.unsqueeze(1), h_more], 1))

    def run(rule: str, times: int, *noise: Tensor, **settings: Any) -> Tensor:
        """``times`` runs from every window, side by side: [times, B, K, D]."""
        start = tree_map(lambda x: x.repeat(times, *[1] * (x.dim() - 1)), (now, state, last))
        _, deltas = free_run(predictor, *start, horizon, rule, *noise, **settings)
        return deltas.unflatten(0, (times, -1))

    first, temperature = (normal_SBKE[0], uniform_SBK2[0]), structure.temperature
    measured = {
        "direction": law.direction(),
        "log_magnitude": law.log_magnitude(),
    }
    if runs:
        measured["deltas"] = run(structure.feedback, 1, *first, temperature=temperature)[0]
    if predictor.head.has_density:
        true = window_BTD[:, context:] - window_BTD[:, context - 1 : -1]
        measured["nll"] = -law.log_prob(true)
    if inject:
        shared = (part.repeat(len(INJECTIONS), 1, 1) for part in first)
        back = _injection(window_BTD[:, context:])
        measured["injected"] = run(
            structure.feedback, len(INJECTIONS), *shared, temperature=temperature, injection=back
        )
    if sampled:
        every = (normal_SBKE.flatten(0, 1), uniform_SBK2.flatten(0, 1))
        measured["ensemble"] = run("sample", len(normal_SBKE), *every)
    return measured


def _injection(true_BKD: Tensor) -> Injection:
    """The true states that each of the runs of :data:`INJECTIONS` is put back to, run after run."""
    batch, horizon = true_BKD.shape[:2]
    after_K = torch.arange(1, horizon + 1, device=true_BKD.device)
    masks = torch.stack([rule(after_K) for rule in INJECTIONS.values()])
    return Injection(
        true_BKD.repeat(len(INJECTIONS), 1, 1), masks.unsqueeze(1).expand(-1, batch, -1).flatten(0, 1)
    )


def _tally(
    figures: Mapping[str, Tensor], shard: Shard, owners: np.ndarray, feed: Feed, horizon: int
) -> Scores:
    """Sums and counts per speaker; curves keep their K steps, one-step metrics add them up.

    An undefined frame (no movement) is not counted; a diverged prediction is infinite or NaN in what is
    always defined, and stays visible there.
    """
    speakers = sorted(set(shard.speakers))
    rows = torch.tensor([speakers.index(shard.speakers[owner]) for owner in owners])
    scores = Scores(speakers, feed.frame_rate, horizon)
    for name, values in figures.items():
        values = values.double().cpu()
        always = name.startswith(_ALWAYS_DEFINED)
        counted = torch.ones_like(values) if always else (~values.isnan()).double()
        filled = values if always else torch.where(values.isnan(), 0.0, values)
        if not is_curve(name):
            filled, counted = filled.sum(1), counted.sum(1)
        empty = torch.zeros(len(speakers), *filled.shape[1:], dtype=torch.float64)
        scores.sums[name] = empty.clone().index_add_(0, rows, filled).numpy()
        scores.counts[name] = empty.index_add_(0, rows, counted).numpy()
    return scores


def _noise(structure: Structure, like: Tensor, windows: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Noise of sampled runs, [S, B, K, D + 1] normal and [S, B, K, 2] uniform: the same for every lane, and
    for a window of a name whoever evaluates it.
    """
    shape = (_ENSEMBLE, structure.horizon)
    normal, uniform = [], []
    for name in windows:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        normal.append(torch.randn(*shape, like.shape[-1] + 1, generator=generator, dtype=torch.float64))
        uniform.append(torch.rand(*shape, 2, generator=generator, dtype=torch.float64))
    return torch.stack(normal, 1).to(like), torch.stack(uniform, 1).to(like)


def _silence(structure: Structure, like: Tensor) -> tuple[Tensor, Tensor]:
    """Noise that nobody reads."""
    silence = like.new_zeros(1, like.shape[1], structure.horizon, 1)
    return silence, silence
