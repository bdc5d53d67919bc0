"""What a mixture's components say of sound that the size of a step does not: information, in nats.

Components of a mixture that was trained on frames in random order are bins of loudness, and go with whatever
loudness goes with. So steps are first put into octiles of |delta|, and it is counted what the component says
of spectral flux, pitch change and energy change within an octile. How often each quartile of a feature comes
with each component is learnt from training speakers, and the information is what these frequencies gain on
the judged ones: what was learnt by chance costs there. From it goes the same with tracks that are shifted
within their utterances by 20 frames and more: slow tracks and slow labels go together whatever they say.

Steps and tracks are always real ones. A lane on surrogate frames has learnt its components there, and is
asked what these say of real steps.

Shapes: N steps, K components, M octiles, B bins of a feature, S speakers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.archetype_acoustics import FEATURES
from trainables.analysis.mixture_components import Steps, acoustics, steps_of_shards
from trainables.analysis.rollout_density import of_one
from trainables.contract import Tracks
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.config import Structure
from trainables.predictor.heads import survey
from trainables.predictor.scores import Scores

# Labels that no mixture gave, as rows of reference.
MAGNITUDES, CLUSTERS, RANDOM = "magnitude", "clusters", "random"
_BINS, _OCTILES = 4, 8
_PRIOR = 4.0  # steps by which the frequencies within a component are drawn to those of the octile
_SHIFTS, _LEAST_SHIFT = 4, 20  # of tracks, frames
_MOST_CLUSTERED = 20_000  # steps, evenly spread
_Features = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """What a component says of one feature within an octile.

    Attributes:
        ends_B: where the bins of the feature end. gain_KMB: log of how much more frequent a bin is.
    """

    ends_B: np.ndarray
    gain_KMB: np.ndarray

    @classmethod
    def of(cls, values_N: np.ndarray, labels_N: np.ndarray, octile_N: np.ndarray, components: int) -> _Table:
        known_N = np.isfinite(values_N)
        ends_B = _ends(values_N[known_N], _BINS)
        counts_KMB = np.zeros((components, _OCTILES, _BINS))
        bins = np.searchsorted(ends_B, values_N[known_N])
        np.add.at(counts_KMB, (labels_N[known_N], octile_N[known_N], bins), 1)
        whole_MB = counts_KMB.sum(0) + 0.5
        prior_MB = _PRIOR * whole_MB / whole_MB.sum(-1, keepdims=True)
        within, overall = counts_KMB + prior_MB, counts_KMB.sum(0) + prior_MB
        within, overall = (each / each.sum(-1, keepdims=True) for each in (within, overall))
        return cls(ends_B=ends_B, gain_KMB=np.log(within / overall))

    def gained(self, values_N: np.ndarray, labels_N: np.ndarray, octile_N: np.ndarray) -> np.ndarray:
        """Information of each step, [N]; NaN where the feature is unknown."""
        gain_N = self.gain_KMB[labels_N, octile_N, np.searchsorted(self.ends_B, values_N).clip(0, _BINS - 1)]
        return np.where(np.isfinite(values_N), gain_N, np.nan)


def real_steps(structure: Structure, weights: Mapping[str, Tensor], feed: Feed) -> Steps:
    """Real steps of a feed, by the component that dominates each.

    Raises:
        ValueError: the head predicts no mixture.
    """
    row = feed.surrogates.index(Surrogate.REAL)
    return steps_of_shards(structure, weights, (of_one(shard, row) for shard in feed.chunks()))


def information_scores(
    train: Steps, judged: Steps, tracks: Tracks, frame_rate: float, seed: int = 0
) -> tuple[Scores, dict[str, Any]]:
    """Information per judged speaker, in nats per step, and the shares of components.

    Args:
        train: steps of training speakers.
        judged: steps of the speakers that judge.
        tracks: acoustic tracks of both.
        frame_rate: of the latents, Hz.
        seed: of the random directions.

    Returns:
        Scores: ``component_information`` by responsibility, ``gating_information`` by gating, each with
        ``_FEATURE`` behind it too, and that of the reference labels; ``components_used`` and ``gating_used``,
        exp of the entropy of a speaker's shares. And shares [K] of judged steps by kind of label.
    """
    both = (train, judged)
    labels = {
        metric: (train.labels[name], judged.labels[name])
        for metric, name in (("component", "responsibility"), ("gating", "gating"))
    }
    references = _references(train, seed)
    labels |= {name: (label(train), label(judged)) for name, label in references.items()}
    ends = _ends(_sizes(train), _OCTILES)
    octiles = np.searchsorted(ends, _sizes(train)), np.searchsorted(ends, _sizes(judged))
    features = [list(_by_shift(steps, tracks)) for steps in both]
    names, row_N = np.unique(judged.speaker_N, return_inverse=True)
    steps_S = np.bincount(row_N, minlength=len(names)).astype(float)
    scores = Scores(names.tolist(), frame_rate, 1)
    for name, of_both in labels.items():
        total_S = np.zeros(len(names))
        for feature in FEATURES:
            value_S = _corrected(feature, features, of_both, octiles, row_N, train.components)
            total_S += value_S
            scores.sums[f"{name}_information_{feature}"] = value_S * steps_S
        scores.sums[f"{name}_information"] = total_S * steps_S
    for name, metric in (("component", "components_used"), ("gating", "gating_used")):
        scores.sums[metric] = _used(labels[name][1], row_N, train.components) * steps_S
    scores.counts |= dict.fromkeys(scores.sums, steps_S)
    shares = {name: np.bincount(of_both[1], minlength=train.components) for name, of_both in labels.items()}
    return scores, {"shares": {name: (n / n.sum()).tolist() for name, n in shares.items()}}


def _corrected(
    feature: str,
    features: list[list[_Features]],
    labels: tuple[np.ndarray, np.ndarray],
    octiles: tuple[np.ndarray, np.ndarray],
    row_N: np.ndarray,
    components: int,
) -> np.ndarray:
    """Information about a feature less the mean of that about shifted ones, [S]."""
    values = []
    for of_train, of_judged in zip(*features, strict=True):
        if not np.isfinite(of_train[feature]).any():
            continue
        table = _Table.of(of_train[feature], labels[0], octiles[0], components)
        gained_N = table.gained(of_judged[feature], labels[1], octiles[1])
        known_N = np.isfinite(gained_N)
        count_S = np.bincount(row_N, known_N)
        values.append(np.bincount(row_N, np.where(known_N, gained_N, 0.0)) / np.maximum(count_S, 1))
    if not values:
        return np.zeros(row_N.max() + 1)
    corrected_S: np.ndarray = values[0] - (np.mean(values[1:], 0) if values[1:] else 0.0)
    return corrected_S


def _by_shift(steps: Steps, tracks: Tracks) -> Iterator[_Features]:
    """The features of each step, and then those of several shifts; NaN where one cannot be shifted so far."""
    yield acoustics(steps, tracks)
    ids, owner_N = np.unique(steps.utterance_N, return_inverse=True)
    there_N = np.array([len(tracks[name]["energy"]) - 1 for name in ids])[owner_N]
    for number in range(1, _SHIFTS + 1):
        shift_N = there_N * number // (_SHIFTS + 1)
        far_N = (shift_N >= _LEAST_SHIFT) & (there_N - shift_N >= _LEAST_SHIFT)
        shifted = replace(steps, place_N=(steps.place_N + shift_N) % there_N)
        found = acoustics(shifted, tracks)
        yield {name: np.where(far_N, found[name], np.nan) for name in FEATURES}


def _references(train: Steps, seed: int) -> dict[str, Any]:
    """What labels steps without a mixture, by name: functions of steps to labels [N]."""
    ends = _ends(_sizes(train), train.components)
    every = train.delta_ND[:: max(1, len(train.delta_ND) // _MOST_CLUSTERED)]
    asked = Structure(head="direction_codebook", components=train.components, coordinates="raw")
    codes_KD = survey(asked, every, every).codes_KD
    assert codes_KD is not None  # a codebook's survey holds codes
    generator = torch.Generator().manual_seed(seed)
    random_KD = torch.randn(codes_KD.shape, generator=generator, dtype=torch.float64)
    return {
        MAGNITUDES: lambda steps: np.searchsorted(ends, _sizes(steps)),
        CLUSTERS: lambda steps: _nearest(steps, codes_KD),
        RANDOM: lambda steps: _nearest(steps, random_KD),
    }


def _nearest(steps: Steps, directions_KD: Tensor) -> np.ndarray:
    unit_KD = torch.nn.functional.normalize(directions_KD.double(), dim=-1)
    nearest_N: np.ndarray = (steps.delta_ND.double() @ unit_KD.mT).argmax(-1).numpy()
    return nearest_N


def _sizes(steps: Steps) -> np.ndarray:
    sizes_N: np.ndarray = steps.delta_ND.double().norm(dim=-1).numpy()
    return sizes_N


def _ends(values_N: np.ndarray, groups: int) -> np.ndarray:
    """Where groups of one size end, but for the last."""
    ends: np.ndarray = np.quantile(values_N, np.arange(1, groups) / groups)
    return ends


def _used(labels_N: np.ndarray, row_N: np.ndarray, components: int) -> np.ndarray:
    """Exp of the entropy of each speaker's shares, [S]."""
    counts_SK = np.zeros((row_N.max() + 1, components))
    np.add.at(counts_SK, (row_N, labels_N), 1)
    share_SK = counts_SK / counts_SK.sum(1, keepdims=True)
    used_S: np.ndarray = np.exp(-(share_SK * np.log(np.where(share_SK > 0, share_SK, 1.0))).sum(1))
    return used_S
