"""How predictable |delta| is, by a regression of its logarithm on more than linear functions of the frames.

log |delta_t| is regressed on the present frame, on the norms of the last P frames and on the log lengths of
the P - 1 steps between them. The magnitude that a linear-Gaussian law implies says less, because the law's
covariance is the same everywhere, and silence is a matter of scale.

Shapes: N cases, D dimensions, P frames of context, I = 1 + D + 2 P - 1 inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.analysis.linear_probe import STILL, Asked, log_magnitude_figures
from trainables.analysis.probe_cases import Scale, cases, empty_scores, tally_cases, too_short
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Lane
from trainables.predictor.scores import Scores, merge


def probe_magnitude(
    train: Feed, held_out: Feed, scale: Scale, contexts: tuple[int, ...]
) -> dict[Asked, Scores]:
    """Scores of the next step's magnitude on the held-out speakers, for every surrogate and context.

    Args:
        train: frames of training speakers, with all surrogates.
        held_out: frames of the speakers that are scored, with the same surrogates.
        scale: that standardises frames.
        contexts: numbers of frames that a regression sees.

    Raises:
        InputError: no training utterance is as long as the longest context and a step.
    """
    longest = max(contexts)
    weights = {}
    for number, surrogate in enumerate(train.surrogates):
        for seen in contexts:
            weights[Asked(surrogate, seen, 1)] = _fit(train, number, scale, seen, longest)
    parts: dict[Asked, list[Scores]] = {asked: [] for asked in weights}
    for shard in held_out.chunks():
        for number, surrogate in enumerate(held_out.surrogates):
            z_ND = scale.standardised(shard.frames_SND[number])
            for asked, weight_I in weights.items():
                if asked.surrogate != surrogate:
                    continue
                scores = empty_scores(shard, held_out.frame_rate)
                for now_N, owner_N in cases(shard, longest, 1):
                    predicted_N = _inputs(z_ND, now_N, asked.context) @ weight_I
                    delta_ND = z_ND[now_N + 1] - z_ND[now_N]
                    tally_cases(scores, shard, owner_N, log_magnitude_figures(predicted_N, delta_ND))
                parts[asked].append(scores)
    return {asked: merge(scores) for asked, scores in parts.items()}


def _fit(train: Feed, surrogate: int, scale: Scale, context: int, longest: int) -> Tensor:
    """Weights [I] of a regression; frames that do not move have no logarithm and are left out."""
    gram, shared = torch.zeros(()), torch.zeros(())
    for shard in train.chunks():
        z_ND = scale.standardised(shard.frames_SND[surrogate])
        for now_N, _ in cases(shard, longest, 1):
            size_N = (z_ND[now_N + 1] - z_ND[now_N]).norm(dim=-1)
            moves_N = size_N > STILL
            inputs_NI = _inputs(z_ND, now_N, context)[moves_N]
            gram = gram + inputs_NI.T @ inputs_NI
            shared = shared + inputs_NI.T @ size_N[moves_N].log()
    if gram.dim() == 0:
        raise too_short("training", longest + 1)
    penalty = Lane().ridge * float(gram[0, 0]) * torch.ones(len(gram)).double()
    penalty[0] = 0  # the constant
    return torch.linalg.solve(gram + penalty.diag(), shared)


def _inputs(z_ND: Tensor, now_N: Tensor, context: int) -> Tensor:
    """Inputs of each case, [N, I]: 1, the present frame, norms and log steps, the latest first."""
    last = [z_ND[now_N - back] for back in range(context)]
    norms = [frame.norm(dim=-1, keepdim=True) / z_ND.shape[1] ** 0.5 for frame in last]
    steps = [
        (later - earlier).norm(dim=-1, keepdim=True).clamp_min(STILL).log()
        for later, earlier in zip(last[:-1], last[1:], strict=True)
    ]
    return torch.cat([torch.ones_like(norms[0]), last[0], *norms, *steps], 1)
