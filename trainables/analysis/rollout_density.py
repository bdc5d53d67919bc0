"""Whether rolled-out states look like true frames of other speakers: by their density, and to a classifier.

A density alone misleads both ways. The mean of all frames is denser than any frame, and samples of a Gaussian
with the right moments avoid both tails. So distributions of log densities are compared, by the largest
difference of their distribution functions (Kolmogorov-Smirnov). Where that difference is largest, and its
sign, are looked for on validation speakers and measured on the judged ones, against true frames of validation
speakers: the distance of true frames is then 0 on average.

The failure has a name: ``too_sparse`` is the share of states below the least decile of true log densities,
``too_dense`` that above the greatest, ``too_uniform`` that between them, each less what true frames have.

The classifier sees a state, its squares and the decile of its log density, is fitted by least squares on
validation speakers, and tells rolled-out states from true ones at the same step. Its area under the curve
stands less that of a classifier that is asked to tell every other true state from the rest.

Shapes: N windows, D dimensions, S speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.frame_density import some_frames
from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.replay import lane, reached_states, windows_of
from trainables.predictor.scores import Scores

DECILE, EDGE = 0.1, 0.05  # of true frames: each tail; the share that is less likely than a frame
_SHRINKAGE = 1e-2  # of the classifier's normal equations, per window
FAILURES = ("too_sparse", "too_dense", "too_uniform")


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Where windows end, and where free runs from their contexts do.

    Attributes:
        reached_ND: states after the last step. first_ND: after the first. true_ND: true frames at the last.
        speaker_N: whose they are.
        odd_N: whether each is an odd one of its speaker's.
    """

    reached_ND: Tensor
    first_ND: Tensor
    true_ND: Tensor
    speaker_N: np.ndarray
    odd_N: np.ndarray


def of_one(shard: Shard, row: int) -> Shard:
    """A shard of one of its surrogates alone, on the CPU."""
    one = Shard(shard.frames_SND[row : row + 1], shard.offsets, shard.ids, shard.speakers)
    return one.to(torch.device("cpu"))


def ends_of(structure: Structure, weights: Mapping[str, Tensor], feed: Feed, surrogate: Surrogate) -> Ends:
    """The ends of all windows that a lane is evaluated on."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    speakers: list[str] = []
    odd: list[int] = []
    seen: dict[str, int] = {}
    row = feed.surrogates.index(surrogate)
    for every in feed.chunks():
        shard = of_one(every, row)
        predictor = lane(structure, weights, shard.dim)
        for windows in windows_of(structure, shard):
            reached_BKD = reached_states(structure, predictor, windows)
            parts.append((reached_BKD[:, -1], reached_BKD[:, 0], windows.frames_BTD[:, -1]))
            for owner in windows.owners_B:
                speaker = shard.speakers[owner]
                speakers.append(speaker)
                seen[speaker] = seen.get(speaker, -1) + 1
                odd.append(seen[speaker] % 2)
    reached, first, true = (torch.cat(each).double() for each in zip(*parts, strict=True))
    return Ends(
        reached_ND=reached,
        first_ND=first,
        true_ND=true,
        speaker_N=np.array(speakers),
        odd_N=np.array(odd, bool),
    )


def manifold_scores(
    log_prob: Callable[[Tensor], Tensor], watched: Ends, judged: Ends, frame_rate: float
) -> Scores:
    """How rolled-out states of judged speakers differ from true frames of validation speakers.

    Args:
        log_prob: log density of frames [N, D], nats, [N].
        watched: of validation speakers.
        judged: of the speakers that judge.
        frame_rate: of the latents, Hz.
    """

    def density(frames_ND: Tensor) -> np.ndarray:
        # A state that is no longer finite is as sparse as can be.
        return log_prob(frames_ND).nan_to_num(nan=-np.inf).numpy()

    reference = np.sort(density(watched.true_ND))
    place, sign = _widest(np.sort(density(watched.reached_ND)), reference)
    reached, first, true = (density(f) for f in (judged.reached_ND, judged.first_ND, judged.true_ND))
    edge, low, high = np.quantile(reference, (EDGE, DECILE, 1 - DECILE))
    expected = np.mean(reference <= place)

    def distance(values_N: np.ndarray) -> np.ndarray:
        return sign * ((values_N <= place) - expected)

    inside = (reached >= low) & (reached <= high)
    figures = {
        "density_distance": distance(reached),
        "density_distance_first": distance(first),
        "density_distance_growth": distance(reached) - distance(first),
        "density_distance_of_true": distance(true),
        "too_sparse": (reached < low) - np.mean(reference < low),
        "too_dense": (reached > high) - np.mean(reference > high),
        "too_uniform": inside - np.mean((reference >= low) & (reference <= high)),
        "off_manifold_share": (reached < edge).astype(float),
    }
    names, row_N = np.unique(judged.speaker_N, return_inverse=True)
    scores = Scores(names.tolist(), frame_rate, 1)
    for name, values_N in figures.items():
        scores.add(name, row_N, values_N)
    deciles = np.quantile(reference, np.arange(1, 10) / 10)

    def decile(frames_ND: Tensor) -> Tensor:
        number_N = torch.from_numpy(np.searchsorted(deciles, density(frames_ND)))
        return torch.nn.functional.one_hot(number_N, 10).double()

    _add_classifier(scores, watched, judged, row_N, decile)
    return scores


def named_failure(scores: Scores) -> str:
    """Which of :data:`FAILURES` the states show most."""
    return max(FAILURES, key=scores.value)


def _widest(reached: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Where two sorted samples' distribution functions differ most, and the sign of the difference."""
    places = np.concatenate([reached, reference])
    places = places[np.isfinite(places)]
    above = np.searchsorted(reached, places, "right") / len(reached)
    difference = above - np.searchsorted(reference, places, "right") / len(reference)
    widest = int(np.abs(difference).argmax())
    return float(places[widest]), 1.0 if difference[widest] >= 0 else -1.0


def _add_classifier(
    scores: Scores, watched: Ends, judged: Ends, row_N: np.ndarray, decile: Callable[[Tensor], Tensor]
) -> None:
    """Add ``classifier_excess``, and the two areas that it is the difference of."""
    mean_D, deviation_D = watched.true_ND.mean(0), watched.true_ND.std(0).clamp_min(1e-9)

    def seen(frames_ND: Tensor) -> Tensor:
        # Runs that have run away would decide every fit by themselves.
        z = ((frames_ND - mean_D) / deviation_D).nan_to_num(0.0).clamp(-10, 10)
        return torch.cat([z, z.square(), decile(frames_ND)], 1)

    reached, true = _fit(seen(watched.reached_ND), seen(watched.true_ND)), judged.true_ND
    odd = torch.from_numpy(watched.odd_N)
    halves = _fit(seen(watched.true_ND[odd]), seen(watched.true_ND[~odd]))
    of_reached, of_true = (seen(frames) @ reached for frames in (judged.reached_ND, true))
    of_halves = (seen(true) @ halves).numpy()
    areas = []
    for speaker in range(len(scores.speakers)):
        own = row_N == speaker
        first, second = own & judged.odd_N, own & ~judged.odd_N
        areas.append(
            (
                _area(of_reached.numpy()[own], of_true.numpy()[own]),
                _area(of_halves[first], of_halves[second]),
                own.sum() if first.any() else 0,
            )
        )
    real, null, count = (np.array(each, float) for each in zip(*areas, strict=True))
    for name, value in {
        "classifier_area": real,
        "classifier_area_of_true": null,
        "classifier_excess": real - null,
    }.items():
        scores.sums[name], scores.counts[name] = value * count, count


def _fit(one_NF: Tensor, other_NF: Tensor) -> Tensor:
    """Weights [F] of the least-squares line that is 1 on one sample and -1 on the other, both as heavy."""
    gram_FF = one_NF.mT @ one_NF / max(len(one_NF), 1) + other_NF.mT @ other_NF / max(len(other_NF), 1)
    gram_FF += _SHRINKAGE * torch.eye(len(gram_FF), dtype=gram_FF.dtype)
    wanted_F = one_NF.sum(0) / max(len(one_NF), 1) - other_NF.sum(0) / max(len(other_NF), 1)
    weights_F: Tensor = torch.linalg.solve(gram_FF, wanted_F)
    return weights_F


def _area(one: np.ndarray, other: np.ndarray) -> float:
    """How often a value of one sample exceeds one of the other; a tie counts half."""
    if not len(one) or not len(other):
        return 0.5
    more = one[:, None] - other[None, :]
    return float(((more > 0) + 0.5 * (more == 0)).mean())


def flow_of(flows: Mapping[str, FrameFlow], train: Feed, held_out: Feed, surrogate: Surrogate) -> FrameFlow:
    """The density of a surrogate's single frames: the one that is known, or else one fitted now."""
    if surrogate in flows:
        return flows[surrogate]
    key = f"flow of {surrogate} frames"
    if key not in train.kept:
        train.kept[key] = FrameFlow.fit_to(some_frames(train, surrogate), some_frames(held_out, surrogate))
    fitted: FrameFlow = train.kept[key]
    return fitted
