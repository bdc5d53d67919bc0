"""A readout as something that a lane runs: what a few dimensions of the past say about the next frame.

Sums and counts per speaker, over all frames of judged utterances but the first ones:

* ``readout_information_16``, ``_8`` and ``_4``: nats per frame through a bottleneck of D/16, D/8 and D/4
  dimensions, beyond a Gaussian that knows no past; ``readout_information`` is their mean;
* ``readout_information_of_`` and the name of a reference (:mod:`trainables.analysis.readout_references`), of
  linear readouts.

Frames are whitened by the training frames of the lane's surrogate first; information does not depend on it.

Shapes: U utterances, T frames, D latent dimensions, R of the bottleneck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.readout_model import BottleneckDynamics, fit_dynamics, padded_batches
from trainables.analysis.readout_references import fit_references
from trainables.analysis.readout_settings import (
    DIVISORS,
    INFORMATION_READ,
    LINEAR,
    ReadoutLane,
    ReadoutStructure,
    bottleneck_dims,
)
from trainables.analysis.utterance_paths import long_paths, utterance_paths
from trainables.contract import Evaluation
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.one_by_one import train_one_by_one
from trainables.predictor.scores import LaneStatus, Scores, merge
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import Context

_WASHOUT = 8  # frames at the beginning of an utterance that only fill the state
_SHOWN = 8  # the divisor of the bottleneck that is drawn


def train_readouts(
    structure: ReadoutStructure,
    lanes: Sequence[ReadoutLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    """Train and judge the readout of each lane, see :class:`trainables.contract.TrainPack`.

    Raises:
        InputError: no training utterance is as long as a window.
    """
    whitened: dict[Surrogate, Whitened] = {}

    def train_lane(lane: ReadoutLane) -> LaneResult:
        if lane.surrogate not in whitened:
            whitened[lane.surrogate] = Whitened.of(structure, train, evaluation.held_out, lane.surrogate)
        return _lane(structure, lane, whitened[lane.surrogate], evaluation)

    return train_one_by_one(lanes, context, train_lane)


@dataclass(frozen=True)
class Whitened:
    """Training and held-out paths [T, D] of one surrogate, and the map that whitens them.

    Attributes:
        mean_D: of the training frames.
        factor_DD: frames less the mean, times its transpose, have covariance I.
        paths: of training utterances that are long enough.
        held_out: of held-out ones.
    """

    mean_D: Tensor
    factor_DD: Tensor
    paths: list[Tensor]
    held_out: list[Tensor]

    @classmethod
    def of(cls, structure: ReadoutStructure, train: Feed, held_out: Feed, surrogate: Surrogate) -> Whitened:
        """The paths of a surrogate, as many as are held at once.

        Raises:
            InputError: no training utterance is as long as a window.
        """
        raw = long_paths(train, surrogate, structure.window_frames + 1)
        if not raw:
            longest = max(train.extent.lengths.values())
            raise InputError(
                f"window_frames is {structure.window_frames}, but the longest training utterance has "
                f"{longest} frames; make it smaller than that"
            )
        frames_ND = torch.cat(raw)
        mean_D = frames_ND.mean(0)
        covariance = torch.cov(frames_ND.T)
        least = 1e-4 * covariance.diagonal().mean()
        factor_DD = torch.linalg.inv(
            torch.linalg.cholesky(covariance + least * torch.eye(train.dim).double())
        )
        row = held_out.surrogates.index(surrogate)
        kept = [path for shard in held_out.chunks() for path in utterance_paths(shard, row)]
        made = cls(mean_D, factor_DD, [], [])
        return replace(
            made,
            paths=[made.white(path).float() for path in raw],
            held_out=[made.white(path).float() for path in kept],
        )

    def white(self, path_TD: Tensor) -> Tensor:
        """The whitened path, float64."""
        return (path_TD - self.mean_D) @ self.factor_DD.T


def _lane(
    structure: ReadoutStructure, lane: ReadoutLane, data: Whitened, evaluation: Evaluation
) -> LaneResult:
    sizes = bottleneck_dims(len(data.mean_D))
    models = {
        divisor: fit_dynamics(
            structure,
            sizes[divisor],
            data.paths,
            data.held_out,
            learning_rate=lane.learning_rate,
            weight_decay=lane.weight_decay,
            seed=lane.seed,
        )
        for divisor in DIVISORS
    }
    exact = {divisor: model.double() for divisor, model in models.items()}
    judge = _Judge(structure, lane, data, exact)
    if structure.readout == LINEAR and not evaluation.exploring:
        paths = [path.double().numpy() for path in data.paths]
        colour = torch.linalg.inv(data.factor_DD).numpy()
        judge.references = fit_references(structure, paths, colour, lane.seed)
    judged = evaluation.judged
    scores = merge(judge.scores(judged, shard) for shard in judged.chunks())
    is_shown = lane.surrogate is Surrogate.REAL and not evaluation.exploring
    return LaneResult(
        status=LaneStatus.FINISHED if _is_finite(scores) else LaneStatus.DIVERGED,
        scores=scores.to_json() if _is_finite(scores) else None,
        history=[],
        parameters=sum(p.numel() for model in models.values() for p in model.parameters()),
        seconds=0.0,
        state={f"{d}.{name}": v.float() for d, m in exact.items() for name, v in m.state_dict().items()},
        details=readout_picture(exact[_SHOWN], data) if is_shown else {},
    )


def _is_finite(scores: Scores) -> bool:
    return all(np.isfinite(values).all() for values in scores.sums.values())


@dataclass
class _Judge:
    structure: ReadoutStructure
    lane: ReadoutLane
    data: Whitened
    models: dict[int, BottleneckDynamics]
    references: dict[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def scores(self, feed: Feed, shard: Shard) -> Scores:
        """Of the speakers of a shard."""
        speakers = sorted(set(shard.speakers))
        owners = [speakers.index(speaker) for speaker in shard.speakers]
        scores = Scores(speakers, feed.frame_rate, 0)
        row = feed.surrogates.index(self.lane.surrogate)
        paths = [self.data.white(path) for path in utterance_paths(shard, row)]

        def add(name: str, owner: int, told_T: np.ndarray) -> None:
            for total, value in ((scores.sums, told_T.sum()), (scores.counts, len(told_T))):
                total.setdefault(name, np.zeros(len(speakers)))[owner] += value

        for divisor, model in self.models.items():
            for numbers, x_UTD, _ in padded_batches(paths, 64):
                told_UT = model.information(x_UTD).numpy()
                for number, told_T in zip(numbers, told_UT, strict=True):
                    counted = told_T[_WASHOUT : len(paths[number]) - 1]
                    for name in (INFORMATION_READ, f"{INFORMATION_READ}_{divisor}"):
                        add(name, owners[number], counted)
        for name, reference in self.references.items():
            for owner, path in zip(owners, paths, strict=True):
                told_T = reference.information(path.numpy())[_WASHOUT:]
                add(f"{INFORMATION_READ}_of_{name}", owner, told_T)
        return scores


@torch.no_grad()
def readout_picture(model: BottleneckDynamics, data: Whitened) -> dict[str, Any]:
    """What a picture of a readout shows, of training frames.

    A readout is known up to an invertible map of its R dimensions. They are turned here so that the first
    one says most about the next frame, as canonical coordinates are.

    Returns:
        ``strength``: of each coordinate, the correlation with what it says about the next frame, [R].
        ``loadings``: the correlation of each coordinate with each latent dimension at the same frame, [R, D].
        ``read``: the share of each latent dimension's variance that is linear in the readout, [D].
        ``predictable``: the share of each latent dimension's variance a frame later that is, [D].
    """
    room, pasts, frames = 50_000, [], []
    for path in data.paths:
        if room > 0:
            x_TD = path.double()
            pasts.append(model.encode(x_TD[None])[0])
            frames.append(x_TD)
            room -= len(path)
    colour_DD = torch.linalg.inv(data.factor_DD)
    u_NR = torch.cat([z[:-1] for z in pasts])
    u_NR = u_NR - u_NR.mean(0)
    covariance = torch.cov(u_NR.T).reshape(u_NR.shape[1], -1)
    covariance = covariance + 1e-9 * covariance.diagonal().mean() * torch.eye(len(covariance)).double()
    u_NR = u_NR @ torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    following_ND, now_ND = torch.cat([x[1:] for x in frames]), torch.cat([x[:-1] for x in frames])
    cross_DR = following_ND.T @ u_NR / len(u_NR)
    _, strength_R, turn_RR = torch.linalg.svd(cross_DR, full_matrices=False)
    u_NR = u_NR @ turn_RR.T
    deviation_D = colour_DD.square().sum(1).sqrt()
    now_DR = colour_DD @ (now_ND.T @ u_NR / len(u_NR)) / deviation_D[:, None]
    then_DR = colour_DD @ (following_ND.T @ u_NR / len(u_NR)) / deviation_D[:, None]
    return {
        "strength": strength_R.tolist(),
        "loadings": now_DR.T.tolist(),
        "read": now_DR.square().sum(1).tolist(),
        "predictable": then_DR.square().sum(1).tolist(),
    }
