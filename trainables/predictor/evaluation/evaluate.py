"""Evaluation: one-step metrics and rollout curves of every lane, as sums and counts per speaker.

Definitions. At rollout step k, cos@k = cos(delta_pred, delta_true), frame by frame, and magnitude ratio@k =
|delta_pred| / |delta_true| as its geometric mean over the frames of a speaker, with delta_pred what the run
fed back and delta_true the true step of that time; state error@k is the distance of the reached from the true
state over the RMS distance between random frames; energy score@k and CRPS@k are proper scores of the states
that sampled runs reach, in the same unit, at the structure's own temperature; energy skill@k = 1 - energy
score@k / that of climatology, the forecast that draws training frames at random. A run that leaves the
numbers, or the structure's bound ``runaway``, is stopped there and counts as going in no direction from then
on; runaway@k is the share of runs that have. Frames that do not move at all (|delta_true| = 0) have no
direction and are left out of both.

Shapes: L lanes, B windows, T frames of a window, C of context, K rollout steps, D latent dimensions,
S sampled runs, E = D + 1 and the factors of a law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from trainables.distributions.law import LawNoise
from trainables.errors import InputError
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Moments, Shard
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.metrics import INJECTIONS, Baselines, figures_of, rollout_figures
from trainables.predictor.evaluation.options import FREE_RUNS, EvaluationOptions
from trainables.predictor.evaluation.tally import tally
from trainables.predictor.evaluation.windows import spread_windows, window_names, window_noise, window_share
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.predictor import AnyPredictor
from trainables.predictor.model.rollout import Injection, Start, free_run
from trainables.predictor.scores import Scores, merge

_ENSEMBLE = 4  # sampled runs per window; the scores' mean does not depend on their number
_WINDOWS_AT_ONCE = 256


def evaluate(
    structure: Structure,
    stacked: Stacked,
    surrogates: Sequence[str],
    feed: Feed,
    moments: Moments,
    baselines: Baselines | None = None,
    *,
    options: EvaluationOptions = FREE_RUNS,
    climate: Mapping[str, Tensor] | None = None,
) -> list[Scores]:
    """Scores of every lane on all utterances of a feed.

    Args:
        stacked: the predictors of the lanes.
        surrogates: of each lane, the surrogate that it was trained on and is evaluated on.
        moments: of the training frames, which errors are measured in.
        baselines: densities without context; where they are given, scores also hold their NLL on the same
            frames.
        options: what else is measured.
        climate: training frames [S, D] of each surrogate, against which the energy skill of sampled runs is
            measured where they are given.

    Raises:
        InputError: no utterance is as long as context and horizon.
    """
    window = structure.context + structure.horizon
    if all(frames < window for frames in feed.extent.lengths.values()):
        raise InputError(
            f"no utterance to be scored is as long as context + horizon = {window} frames; shorten horizon "
            "or context, or encode longer utterances"
        )
    spread = window_share(feed.extent.lengths, structure.context, structure.horizon, options.windows)
    scores: list[Scores] = []
    for shard in feed.chunks():
        more = _evaluate_shard(
            structure, stacked, surrogates, feed, shard, spread, moments, baselines, options, climate or {}
        )
        # Added up as they come, so that the scores of many chunks take no more than those of one.
        scores = [merge(both) for both in (zip(scores, more, strict=True) if scores else zip(more))]
    if baselines is not None:
        for lane_scores, name in zip(scores, surrogates, strict=True):
            lane_scores.marginal = baselines.chosen(name)
    return scores


def baseline_scores(feed: Feed, moments: Moments, context: int, horizon: int) -> dict[str, Scores]:
    """Rollout curves of predictors that learn nothing: "mean" jumps to the mean frame, "persistence" stands
    still.
    """
    parts: dict[str, list[Scores]] = {"mean": [], "persistence": []}
    for shard in feed.chunks():
        starts, owners = shard.evaluation_windows(context, horizon)
        window_BTD = shard.gather(
            torch.from_numpy(starts)[None], context + horizon, torch.zeros(1, dtype=torch.long)
        )[0]
        to_mean_BKD = torch.zeros_like(window_BTD[:, :horizon])
        to_mean_BKD[:, 0] = moments.mean_D.to(window_BTD) - window_BTD[:, context - 1]
        for name, deltas_BKD in (("mean", to_mean_BKD), ("persistence", torch.zeros_like(to_mean_BKD))):
            figures = rollout_figures(window_BTD, deltas_BKD, context, moments)
            parts[name].append(tally(figures, shard, owners, feed.frame_rate, horizon))
    return {name: merge(scores) for name, scores in parts.items()}


@torch.no_grad()
def _evaluate_shard(
    structure: Structure,
    stacked: Stacked,
    surrogates: Sequence[str],
    feed: Feed,
    shard: Shard,
    spread: EvenShare,
    moments: Moments,
    baselines: Baselines | None,
    options: EvaluationOptions,
    climate: Mapping[str, Tensor],
) -> list[Scores]:
    """Scores of every lane on one shard, block of windows after block of windows."""
    starts, owners = spread_windows(shard, structure.context, structure.horizon, spread)
    if not len(starts):
        speakers = sorted(set(shard.speakers))
        return [Scores(speakers, feed.frame_rate, structure.horizon) for _ in surrogates]
    names = window_names(shard, starts, owners)
    rows_L = torch.tensor(
        [feed.surrogates.index(name) for name in surrogates], device=shard.frames_SND.device
    )
    drawn = structure.feedback == "sample" or structure.inference_noise > 0
    samples = options.sampled or ((options.free_running or options.inject) and drawn)

    def measure(predictor: AnyPredictor, window_BTD: Tensor, noise: LawNoise) -> dict[str, Tensor]:
        return _predict(structure, predictor, window_BTD, noise, options)

    more = structure.evaluation_normals(shard.frames_SND.shape[-1])
    figures: list[list[dict[str, Tensor]]] = [[] for _ in surrogates]
    for first in range(0, len(starts), _WINDOWS_AT_ONCE):
        block = slice(first, first + _WINDOWS_AT_ONCE)
        starts_LB = torch.from_numpy(starts[block]).to(rows_L.device).expand(len(surrogates), -1)
        windows_LBTD = shard.gather(starts_LB, structure.context + structure.horizon, rows_L)
        noise = (
            window_noise(names[block], (_ENSEMBLE, structure.horizon), windows_LBTD, more)
            if samples
            else _silence(structure, windows_LBTD)
        )
        every = noise.apply(lambda part: part.expand(len(surrogates), *part.shape))
        measured = stacked.map(measure, windows_LBTD, every)
        known: dict[str, dict[str, Tensor]] = {}
        for lane, name in enumerate(surrogates):
            of_lane = {key: value[lane] for key, value in measured.items()}
            figures[lane].append(
                figures_of(
                    structure, windows_LBTD[lane], of_lane, moments, name, baselines, climate.get(name), known
                )
            )
    whole = [{key: torch.cat([part[key] for part in lane]) for key in lane[0]} for lane in figures]
    return [tally(lane, shard, owners, feed.frame_rate, structure.horizon) for lane in whole]


def _predict(
    structure: Structure,
    predictor: AnyPredictor,
    window_BTD: Tensor,
    noise: LawNoise,
    options: EvaluationOptions,
) -> dict[str, Tensor]:
    """One lane's one-step predictions over the horizon, and the free runs that are asked for.

    ``noise`` is normal [S, B, K, E] and uniform [S, B, K, 2]; what is not sampled S times uses the first.
    """
    context, horizon = structure.context, structure.horizon
    h_BCH, state = predictor.backbone.read(window_BTD[:, :context])
    h_more, _ = predictor.backbone.read(window_BTD[:, context:-1], state)
    start = Start(h_BCH[:, -1], state, window_BTD[:, context - 1])
    law = predictor.head(torch.cat([start.hidden_BH.unsqueeze(1), h_more], 1))

    def run(
        times: int, rule: str, noise: LawNoise, temperature: float, injection: Injection | None = None
    ) -> Tensor:
        """``times`` runs from every window, side by side: [times, B, K, D]."""
        starts = tree_map(lambda x: x.repeat(times, *[1] * (x.dim() - 1)), start)
        _, deltas = free_run(
            predictor,
            starts,
            horizon,
            rule,
            noise,
            temperature=temperature,
            injection=injection,
            read_noise=structure.inference_noise,
        )
        return deltas.unflatten(0, (times, -1))

    measured = {}
    if options.directions:
        measured["direction"] = law.direction()
    if options.magnitudes:
        measured["log_magnitude"] = law.log_magnitude()
    first = noise.apply(lambda part: part[0])
    if options.free_running:
        measured["deltas"] = run(1, structure.feedback, first, structure.temperature)[0]
    if predictor.head.has_density:
        true = window_BTD[:, context:] - window_BTD[:, context - 1 : -1]
        measured["nll"] = -law.log_prob(true)
    if options.inject:
        times = len(INJECTIONS)
        shared = first.apply(lambda part: part.repeat(times, 1, 1))
        back = _injection(window_BTD[:, context:])
        measured["injected"] = run(times, structure.feedback, shared, structure.temperature, back)
    if options.sampled:
        sampled = noise.apply(lambda part: part.flatten(0, 1))
        measured["ensemble"] = run(len(noise.normal), "sample", sampled, structure.temperature)
    return measured


def _injection(true_BKD: Tensor) -> Injection:
    """The true states that each of the runs of :data:`INJECTIONS` is put back to, run after run."""
    batch, horizon = true_BKD.shape[:2]
    after_K = torch.arange(1, horizon + 1, device=true_BKD.device)
    masks = torch.stack([rule(after_K) for rule in INJECTIONS.values()])
    return Injection(
        true_BKD.repeat(len(INJECTIONS), 1, 1), masks.unsqueeze(1).expand(-1, batch, -1).flatten(0, 1)
    )


def _silence(structure: Structure, windows_LBTD: Tensor) -> LawNoise:
    """Noise that nobody reads."""
    silence = windows_LBTD.new_zeros(1, windows_LBTD.shape[1], structure.horizon, 1)
    return LawNoise(silence, silence)
