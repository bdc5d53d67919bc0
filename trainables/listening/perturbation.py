"""True trajectories with errors of known kind and size, decoded: what does each cost the ear?

From the last true frame c on, frames z become c + M (z - c): with a rotation M that turns every direction by
the same angle theta, e = 2 sin(theta / 2), and leaves magnitudes as they are; with M = 1 - e and 1 + e, which
leave directions as they are; or with M = 1 + e Q for a random rotation Q, an error that is neither. So each
moves every frame, and every step, by e times its length: what is compared differs in nothing but where to.
Fresh turns of each step would not: their errors add up to a random walk, and direction would seem to matter.

Or the steps keep their true directions and get other magnitudes, which no longer add up to the true path.

``quality`` is :func:`continuation_quality` against the unperturbed continuation, decoded alike;
``quality_loss`` by how much it falls below that of the latter; ``spectral_loss`` the log-spectral distance
from it, dB. Each is a mean over both doses, and over shrinking and growing; with ``_low``, ``_high``,
``_shrink`` or ``_grow`` behind it, of these alone.

Shapes: T frames, C of them context, D latent dimensions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from trainables.contract import Evaluation
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.base import Codec
from trainables.listening.continuation_quality import continuation_quality
from trainables.listening.decode import decode_continuation
from trainables.listening.perturbation_settings import (
    DOSED,
    MOTIONLESS,
    PerturbationLane,
    PerturbationStructure,
)
from trainables.listening.spectral_distance import log_spectral_distance
from trainables.one_by_one import train_one_by_one
from trainables.predictor.scores import LaneStatus, Scores
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import Context

_OTHERS = 5  # training clips, as what a chance match costs
_SMOOTHED = 5  # steps


def measure_perturbations(
    structure: PerturbationStructure,
    lanes: Sequence[PerturbationLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    """Perturb and decode continuations of the judged speakers, see :class:`trainables.contract.TrainPack`.

    Raises:
        InputError: nothing decodes the frames, or no training utterance is long enough.
    """
    if evaluation.codec is None:
        raise InputError(
            "these latents have no decoder to audio, and what is perturbed has to be decoded; give --latents "
            "of a codec"
        )
    codec = _codec(*evaluation.codec)
    return train_one_by_one(lanes, context, lambda lane: _lane(structure, lane, train, evaluation, codec))


@dataclass(frozen=True)
class Replacements:
    """What training frames give in place of the truth, in the codec's units.

    Attributes:
        mean_D: their mean. magnitudes_N: of steps.
    """

    mean_D: np.ndarray
    magnitudes_N: np.ndarray

    @classmethod
    def of(cls, train: Feed, surrogate: Surrogate, rms: float) -> Replacements:
        """Those of a training feed in one of its surrogates."""
        data = PreparedData.from_feed(train)
        magnitudes_N = data.steps(surrogate).double().norm(dim=1).numpy() * rms
        return cls(data.moments.mean_D.double().cpu().numpy() * rms, magnitudes_N)

    def path(self, start_D: np.ndarray, after_TD: np.ndarray, kind: str, seed: int) -> np.ndarray:
        """A continuation [T, D] with magnitudes in place of the true ones, or without any steps."""
        if kind in MOTIONLESS:
            return np.broadcast_to(start_D if kind == "frozen" else self.mean_D, after_TD.shape)
        steps_TD = np.diff(after_TD, axis=0, prepend=start_D[None])
        true_T = np.linalg.norm(steps_TD, axis=1)
        directions_TD = steps_TD / np.maximum(true_T, 1e-12)[:, None]
        rng = np.random.default_rng(seed)
        match kind:
            case "empirical":
                magnitudes_T = rng.choice(self.magnitudes_N, len(true_T))
            case "permuted":
                magnitudes_T = rng.permutation(true_T)
            case "constant":
                magnitudes_T = np.full(len(true_T), np.median(self.magnitudes_N))
            case _:
                magnitudes_T = uniform_filter1d(true_T, _SMOOTHED, mode="nearest")
        path_TD: np.ndarray = start_D + np.cumsum(directions_TD * magnitudes_T[:, None], 0)
        return path_TD


def perturbed(displacement_TD: np.ndarray, kind: str, dose: float, seed: int) -> dict[str, np.ndarray]:
    """Displacements [T, D] from where a continuation starts with an error of a dose, by name."""
    if kind == "scale":
        return {"shrink": (1 - dose) * displacement_TD, "grow": (1 + dose) * displacement_TD}
    basis_DD = _random_basis(displacement_TD.shape[1], seed)
    if kind == "noise":
        return {"noise": displacement_TD + dose * displacement_TD @ basis_DD}
    return {"turn": displacement_TD @ rigid_turn(basis_DD, 2 * math.asin(dose / 2))}


def heard_path(
    structure: PerturbationStructure, seed: int, start_D: np.ndarray, after_TD: np.ndarray, number: int
) -> np.ndarray:
    """A continuation [T, D] as listeners hear it: at the high dose, by turns shrunk and grown.

    Raises:
        InputError: the kind needs training frames, which nobody has who only listens.
    """
    if structure.kind not in DOSED:
        raise InputError(f"an arm of kind {structure.kind!r} cannot be played; those of {DOSED} can")
    moved = list(perturbed(after_TD - start_D, structure.kind, structure.high_dose, seed).values())
    path_TD: np.ndarray = start_D + moved[number % len(moved)]
    return path_TD


def rigid_turn(basis_DD: np.ndarray, angle: float) -> np.ndarray:
    """A rotation [D, D] that turns every vector by an angle: in each of the planes of two columns of a basis.
    Of an odd number of columns the last stays where it is.
    """
    pairs = len(basis_DD) // 2
    turned_DD = np.eye(len(basis_DD))
    first, second = np.arange(0, 2 * pairs, 2), np.arange(1, 2 * pairs, 2)
    turned_DD[first, first] = turned_DD[second, second] = math.cos(angle)
    turned_DD[first, second], turned_DD[second, first] = math.sin(angle), -math.sin(angle)
    rotation_DD: np.ndarray = basis_DD @ turned_DD @ basis_DD.T
    return rotation_DD


@lru_cache(maxsize=16)
def _random_basis(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


@lru_cache(maxsize=1)
def _codec(name: str, weights: str | None) -> Codec:
    return load_codec(name, weights)


def _lane(
    structure: PerturbationStructure,
    lane: PerturbationLane,
    train: Feed,
    evaluation: Evaluation,
    codec: Codec,
) -> LaneResult:
    context, frames = (round(s * train.frame_rate) for s in (structure.context_seconds, structure.seconds))
    cut = _Cut(max(1, context), max(2, frames), lane.surrogate, evaluation.rms)
    others = [
        decode_continuation(codec, *cut.parts(clip_TD))[1]
        for _, clip_TD in zip(range(_OTHERS), (clip for _, clip in cut.clips(train, 1)), strict=False)
    ]
    if not others:
        raise InputError(
            f"no training utterance has the {cut.context + cut.frames} frames of context and continuation; "
            "set seconds to less, or encode longer utterances"
        )
    replacements = Replacements.of(train, lane.surrogate, evaluation.rms)
    totals: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for speaker, clip_TD in cut.clips(evaluation.judged, structure.utterances):
        for name, value in _losses(structure, lane.seed, cut, clip_TD, others, codec, replacements):
            totals[speaker][name].append(value)
    return LaneResult(
        status=LaneStatus.FINISHED,
        scores=_scores(totals, evaluation.judged).to_json(),
        history=[],
        parameters=0,
        seconds=0.0,
    )


class _Cut:
    """Where utterances are cut: the middle of each, context before continuation."""

    def __init__(self, context: int, frames: int, surrogate: Surrogate, rms: float) -> None:
        self.context, self.frames, self._surrogate, self._rms = context, frames, surrogate, rms

    def clips(self, feed: Feed, most: int) -> Iterator[tuple[str, np.ndarray]]:
        """Speaker and frames [T, D], in the codec's units, of at most so many utterances of each speaker."""
        row, taken = feed.surrogates.index(self._surrogate), dict[str, int]()
        whole = self.context + self.frames
        for shard in feed.chunks():
            for speaker, begin, length in zip(shard.speakers, shard.offsets, shard.lengths, strict=False):
                if length < whole or taken.get(speaker, 0) == most:
                    continue
                taken[speaker] = taken.get(speaker, 0) + 1
                first = int(begin) + (int(length) - whole) // 2
                clip_TD: torch.Tensor = shard.frames_SND[row, first : first + whole]
                yield speaker, clip_TD.double().cpu().numpy() * self._rms

    def parts(self, clip_TD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Context and continuation."""
        return clip_TD[: self.context], clip_TD[self.context :]


def _losses(
    structure: PerturbationStructure,
    seed: int,
    cut: _Cut,
    clip_TD: np.ndarray,
    others: Sequence[np.ndarray],
    codec: Codec,
    replacements: Replacements,
) -> Iterator[tuple[str, float]]:
    """What one clip loses, by name of the figure; a figure that is a mean comes several times."""
    before_CD, after_TD = cut.parts(clip_TD)
    true = decode_continuation(codec, before_CD, after_TD)[1]
    best = continuation_quality(true, true, others, codec.sample_rate)
    start_D = before_CD[-1]
    for level, dose in structure.doses:
        if structure.kind in DOSED:
            moved = perturbed(after_TD - start_D, structure.kind, dose, seed)
            paths = {name: start_D + moved_TD for name, moved_TD in moved.items()}
        else:
            paths = {structure.kind: replacements.path(start_D, after_TD, structure.kind, seed)}
        for name, path_TD in paths.items():
            heard = decode_continuation(codec, before_CD, path_TD)[1]
            quality = continuation_quality(true, heard, others, codec.sample_rate)
            distance = log_spectral_distance(true, heard, codec.sample_rate)
            figures = {"quality": quality, "quality_loss": best - quality, "spectral_loss": distance}
            parts = ["", f"_{level}" if level else None, f"_{name}" if structure.kind == "scale" else None]
            for part in filter(lambda part: part is not None, parts):
                yield from ((f"{metric}{part}", value) for metric, value in figures.items())


def _scores(totals: Mapping[str, Mapping[str, Sequence[float]]], judged: Feed) -> Scores:
    speakers = sorted(totals)
    scores = Scores(speakers, judged.frame_rate, 0)
    for name in sorted({name for own in totals.values() for name in own}):
        scores.sums[name] = np.array([float(np.sum(totals[speaker][name])) for speaker in speakers])
        scores.counts[name] = np.array([float(len(totals[speaker][name])) for speaker in speakers])
    return scores
