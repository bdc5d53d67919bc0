"""Every figure of an evaluation, from what is predicted and what is true.

Shapes: B windows, T frames of a window, K rollout steps, D latent dimensions, S sampled runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.shard import Moments
from trainables.own_parts.registry import PartKind, made_part
from trainables.predictor.config import Structure, metric_name
from trainables.predictor.evaluation.proper_scores import crps, energy_score, energy_score_of_one

# The injection diagnostic: the same run, put back to the true state after some of its steps. Run D never is:
# it is the free run itself.
INJECTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "A": lambda step: step > 0,  # every step
    "B": lambda step: step % 4 == 0,  # every fourth
    "C": lambda step: step == 1,  # the first alone
}
_STILL = 1e-9  # |delta_true| below which a frame does not move, in units of the training RMS
_SMALLEST_RATIO = 1e-3  # of magnitudes: standing still, whose logarithm would be infinite, counts as this


class Baselines(Protocol):
    """Densities without context, of each surrogate: what a model has to beat to have learnt anything."""

    def nll(self, surrogate: str, z_next: Tensor, delta: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihoods of frames ``z_next`` and steps ``delta``, [..., D], nats: [...] each."""

    def chosen(self, surrogate: str) -> str:
        """The name of the one that a model's is compared with."""


def figures_of(
    structure: Structure,
    window_BTD: Tensor,
    measured: Mapping[str, Tensor],
    moments: Moments,
    surrogate: str,
    baselines: Baselines | None,
    climate_SD: Tensor | None = None,
    known: dict[str, dict[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Every metric frame by frame, [B, K]; NaN where it is undefined.

    Args:
        window_BTD: true frames of one lane's surrogate; the horizon follows the context.
        measured: what the lane predicts, as far as it was asked for: "direction" [B, K, D], "log_magnitude"
            and "nll" [B, K], "deltas" [B, K, D] of free runs, "injected" runs and the "ensemble" of sampled
            ones [runs, B, K, D].
        moments: of the training frames.
        surrogate: name of the lane's surrogate.
        baselines: densities without context, whose NLL is added where they are given.
        climate_SD: training frames of that surrogate, whose energy score as a forecast of every state stands
            beside that of sampled runs.
        known: what other lanes have got from the same windows without a predictor, by surrogate; it is added
            to.
    """
    true = window_BTD[:, structure.context :] - window_BTD[:, structure.context - 1 : -1]
    size = true.norm(dim=-1)
    moves = size > _STILL
    figures = {}
    if "direction" in measured:
        figures["one_step_cosine"] = torch.where(moves, _cosine(measured["direction"], true), torch.nan)
    if "log_magnitude" in measured:
        log_size = torch.where(moves, size, torch.nan).log()
        figures |= {
            "log_magnitude": log_size,
            "log_magnitude_squared": log_size.square(),
            "log_magnitude_squared_error": (measured["log_magnitude"] - log_size).square(),
        }
    if "deltas" in measured:
        figures |= rollout_figures(
            window_BTD, measured["deltas"], structure.context, moments, bound=structure.runaway
        )
    if "nll" in measured:
        figures["nll"] = measured["nll"]
    for name, deltas in zip(INJECTIONS, measured.get("injected", ()), strict=False):
        curves = rollout_figures(
            window_BTD, deltas, structure.context, moments, INJECTIONS[name], bound=structure.runaway
        )
        figures |= {f"{curve}_{name}": values for curve, values in curves.items()}
    if "ensemble" in measured:
        figures |= _ensemble_figures(
            window_BTD, measured["ensemble"], structure.context, moments, structure.runaway
        )
    known = {} if known is None else known
    if surrogate not in known:
        states_BKD, asked = window_BTD[:, structure.context :], "ensemble" in measured
        known[surrogate] = (
            {"energy_score_of_climate": _climate_score(states_BKD, climate_SD, moments)}
            if asked and climate_SD is not None
            else {}
        )
        if baselines is not None:
            known[surrogate] |= baselines.nll(surrogate, states_BKD, true)
    figures |= known[surrogate]
    for name in structure.own_metrics:
        if metric_name(name) in figures:
            raise InputError(f"metric {name!r} has the name of another, {metric_name(name)!r}; rename yours")
        figures[metric_name(name)] = _own_figure(name, structure, window_BTD, measured, moments)
    return figures


def _own_figure(
    name: str, structure: Structure, window_BTD: Tensor, measured: Mapping[str, Tensor], moments: Moments
) -> Tensor:
    """What a user's own metric says of every frame, [B, K]."""
    values = made_part(PartKind.METRIC, name, structure, window_BTD, measured, moments)
    shape = len(window_BTD), structure.horizon
    if not isinstance(values, Tensor) or values.shape != shape:
        given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise InputError(f"metric {name!r} gives {given}; it must give a tensor [windows, horizon], {shape}")
    return values


def rollout_figures(
    window_BTD: Tensor,
    deltas_BKD: Tensor,
    context: int,
    moments: Moments,
    injected: Callable[[Tensor], Tensor] | None = None,
    *,
    bound: float = math.inf,
) -> dict[str, Tensor]:
    """The curves of free runs frame by frame, [B, K]: cosine, log of the magnitude ratio, state error, and
    whether they have run away.

    A run that leaves the numbers, or ``bound``, is a result: from there on its cosine is 0, its state error
    ``bound``, and its magnitude is not counted. One that is put back to the truth goes on from there.

    Args:
        window_BTD: true frames, of which the first ``context`` were given.
        deltas_BKD: what the runs moved by.
        moments: of the training frames.
        injected: the rule of :data:`INJECTIONS` by which the runs were put back to the truth, if any.
        bound: RMS distances between frames from the training mean, beyond which a run has run away.
    """
    finite_BK = torch.isfinite(deltas_BKD).all(-1)
    deltas_BKD = torch.where(finite_BK.unsqueeze(-1), deltas_BKD, 0.0)
    steps = deltas_BKD.shape[1]
    true = window_BTD[:, context : context + steps] - window_BTD[:, context - 1 : context + steps - 1]
    size = true.norm(dim=-1)
    moves = size > _STILL
    path = window_BTD[:, context - 1 : context + steps]
    reached = _reached(path, deltas_BKD, injected)
    away_BK = ~finite_BK | ~(_from_mean(reached, moments) <= bound)
    if injected is None:
        away_BK = _from_then_on(away_BK)
    error = (reached - path[:, 1:]).norm(dim=-1) / moments.frame_distance
    ratio = (deltas_BKD.norm(dim=-1) / size.clamp_min(_STILL)).clamp_min(_SMALLEST_RATIO)
    return {
        "cos": torch.where(moves, torch.where(away_BK, 0.0, _cosine(deltas_BKD, true)), torch.nan),
        "log_magnitude_ratio": torch.where(moves & ~away_BK, ratio.log(), torch.nan),
        "state_error": torch.where(away_BK, bound, error),
        "runaway": away_BK.to(error),
    }


def _ensemble_figures(
    window_BTD: Tensor, deltas_SBKD: Tensor, context: int, moments: Moments, bound: float
) -> dict[str, Tensor]:
    """Proper scores of the states that sampled runs reach, in units of the RMS distance between frames, and
    the share of the runs that have run away; these stay at ``bound`` from the training mean, which caps the
    scores.
    """
    steps = deltas_SBKD.shape[2]
    reached = window_BTD[:, context - 1 : context] + deltas_SBKD.cumsum(2)
    away_SBK = _from_then_on(~(_from_mean(reached, moments) <= bound), dim=2)
    reached = torch.where(away_SBK.unsqueeze(-1), _on_the_bound(reached, moments, bound), reached)
    samples = (reached / moments.frame_distance).flatten(1, 2)
    truth = (window_BTD[:, context : context + steps] / moments.frame_distance).flatten(0, 1)
    shape = deltas_SBKD.shape[1:3]
    return {
        "energy_score": energy_score(samples, truth).reshape(shape),
        "crps": crps(samples, truth).reshape(shape),
        "runaway_sampled": away_SBK.to(truth).mean(0),
    }


def _climate_score(states_BKD: Tensor, climate_SD: Tensor, moments: Moments) -> Tensor:
    """The energy score, [B, K], of the same frames as a forecast of every state: climatology, in units of the
    RMS distance between frames.
    """
    truth_XD = (states_BKD / moments.frame_distance).flatten(0, 1)
    samples_SD = climate_SD.to(truth_XD) / moments.frame_distance
    score_X = energy_score_of_one(samples_SD, truth_XD)
    return score_X.reshape(states_BKD.shape[:2])


def _from_mean(states: Tensor, moments: Moments) -> Tensor:
    """Distance of states [..., D] from the training mean, in RMS distances between frames: [...]."""
    return (states - moments.mean_D.to(states)).norm(dim=-1) / moments.frame_distance


def _from_then_on(away: Tensor, dim: int = 1) -> Tensor:
    """True from the first true step on, along the steps ``dim``."""
    return away.long().cummax(dim).values.bool()


def _on_the_bound(states: Tensor, moments: Moments, bound: float) -> Tensor:
    """States [..., D] moved to ``bound`` from the training mean; what is no number, along the first axis."""
    mean_D = moments.mean_D.to(states)
    first_D = torch.zeros_like(mean_D)
    first_D[0] = 1
    offset = states - mean_D
    # Scaled first: the square of a large number may be infinite where the number is not.
    offset = offset / offset.abs().amax(-1, keepdim=True)
    sound = torch.isfinite(offset).all(-1, keepdim=True)
    unit = torch.where(sound, torch.nn.functional.normalize(offset, dim=-1), first_D)
    return mean_D + bound * moments.frame_distance * unit


def _reached(path_BTD: Tensor, deltas_BKD: Tensor, injected: Callable[[Tensor], Tensor] | None) -> Tensor:
    """Where a run stands after each step, [B, K, D], before it is put back to ``path_BTD``, the truth."""
    moved = path_BTD[:, :1] + deltas_BKD.cumsum(1)
    if injected is None:
        return moved
    # Putting a run back to the truth takes away the error it has gathered so far.
    error = moved - path_BTD[:, 1:]
    back_K = injected(torch.arange(1, deltas_BKD.shape[1] + 1, device=path_BTD.device))
    last = torch.where(back_K, torch.arange(1, len(back_K) + 1, device=path_BTD.device), 0).cummax(0).values
    before = torch.cat([last.new_zeros(1), last[:-1]])  # the step after which the run was put back last
    gathered = torch.cat([torch.zeros_like(error[:, :1]), error], 1)[:, before]
    return moved - gathered


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of vectors [..., D], [...]; 0 where ``a`` has no direction: who stands still points nowhere."""
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp_min(1e-12)
