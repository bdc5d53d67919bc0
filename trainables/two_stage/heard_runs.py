"""Decoded runs of a generator, beside the floors that any run has to leave to be heard as something.

``quality`` is :func:`continuation_quality` of one sampled run against the true continuation, decoded alike;
``quality_over_frozen`` and ``quality_over_mean`` by how much it exceeds that of the last true frame, and of
the mean of training frames, held for as long.

Shapes: C frames of context, K frames of a run, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from trainables.analysis.utterance_paths import utterance_paths
from trainables.contract import Evaluation
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.codec_registry import load_codec
from trainables.listening.continuation_quality import continuation_quality
from trainables.listening.decode import decode_continuation
from trainables.predictor.evaluation.windows import window_noise
from trainables.predictor.scores import Scores
from trainables.two_stage.generator import Generator
from trainables.two_stage.heard_so_far import heard_so_far
from trainables.two_stage.settings import TwoStageLane

_OTHERS = 5  # training clips, as what a chance match costs
_SHORTEST = 0.1  # seconds of a run that can be scored


@torch.no_grad()
def heard_quality(
    generator: Generator, lane: TwoStageLane, train: Feed, evaluation: Evaluation, scores: Scores
) -> None:
    """Add the quality of decoded runs to scores, for speakers with an utterance that is long enough; nothing
    on surrogates, which are no speech.
    """
    if lane.surrogate is not Surrogate.REAL or evaluation.codec is None:
        return
    codec = load_codec(*evaluation.codec)
    structure, rms = generator.structure, evaluation.rms
    C, K = structure.context, round(max(structure.seconds, _SHORTEST) * train.frame_rate)

    def heard(before_CD: np.ndarray, after_KD: np.ndarray) -> np.ndarray:
        return decode_continuation(codec, before_CD * rms, after_KD * rms)[1]

    others = [heard(path[:C], path[C : C + K]) for _, _, path, _ in _clips(train, C, K, 1, _OTHERS)]
    if not others:
        return
    mean_D = generator.coordinates.mean_D.numpy()
    rows, figures = list[int](), list[tuple[float, float, float]]()
    for speaker, name, path, start in _clips(evaluation.judged, C, K, structure.utterances, 0):
        inside_TD = generator.coordinates.inside(torch.from_numpy(path))
        context_BCD = inside_TD[None, start : start + C]
        features_BF = heard_so_far(inside_TD)[None, start + C - 1]
        noise = window_noise([f"{name}/{lane.seed}/heard"], [1, K], inside_TD).apply(
            lambda x: x.flatten(0, 1)
        )
        steps_KD = generator.steps(context_BCD, features_BF, noise)[0]
        run_KD = generator.coordinates.outside(context_BCD[0, -1] + steps_KD.cumsum(0))
        run_KD, _ = generator.bound.stopped(run_KD, torch.from_numpy(path[start + C - 1]))
        before_CD, after_KD = path[start : start + C], path[start + C : start + C + K]
        true = heard(before_CD, after_KD)
        candidates = (run_KD.numpy(), np.repeat(before_CD[-1:], K, 0), np.repeat(mean_D[None], K, 0))
        own, frozen, mean = (
            continuation_quality(true, heard(before_CD, each), others, codec.sample_rate)
            for each in candidates
        )
        rows.append(scores.speakers.index(speaker))
        figures.append((own, own - frozen, own - mean))
    if figures:
        for name, values in zip(
            ("quality", "quality_over_frozen", "quality_over_mean"), np.array(figures).T, strict=True
        ):
            scores.add(name, np.array(rows), values)


def _clips(feed: Feed, C: int, K: int, each: int, most: int) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Speaker, utterance, its frames [T, D] and where in its middle C + K frames begin; so many utterances of
    each speaker at most, and of all where ``most`` is not 0.
    """
    row, taken = feed.surrogates.index(Surrogate.REAL), dict[str, int]()
    for shard in feed.chunks():
        for name, speaker, path in zip(shard.ids, shard.speakers, utterance_paths(shard, row), strict=True):
            if len(path) < C + K or taken.get(speaker, 0) == each or most and sum(taken.values()) == most:
                continue
            taken[speaker] = taken.get(speaker, 0) + 1
            yield speaker, name, path.numpy(), (len(path) - C - K) // 2
