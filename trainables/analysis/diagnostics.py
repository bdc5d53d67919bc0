"""What a representation is like before any predictor is trained on it, in two phases.

Phase 0 looks: sizes and memory of frames, how many dimensions they fill, whether like contexts go on alike.
Phase 1 predicts, with regressions in closed form, one step and further ahead. Whatever could be taken for
predictability stands beside the same figure on surrogates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainables.analysis.context_clusters import cluster_scores
from trainables.analysis.geometry import Geometry, geometry
from trainables.analysis.independent_frames import Independent
from trainables.analysis.intrinsic_dimension import intrinsic_dimensions
from trainables.analysis.linear_probe import Asked, Horizon, probe
from trainables.analysis.magnitude_probe import probe_magnitude
from trainables.analysis.probe_cases import scale_of
from trainables.latents.batching.feed import Feed
from trainables.predictor.scores import Scores

CONTEXTS = (1, 4, 16)  # frames that a regression sees
CONTEXT_AHEAD = 4  # frames that one sees which looks further ahead
_MOST_INPUTS = 2048  # of a regression on many frames, which costs their cube
AHEAD_SECONDS = 0.64  # how far: the same time in every representation


@dataclass(frozen=True)
class Diagnosis:
    """All figures, as sums and counts per speaker where they are means over frames."""

    geometry: Geometry  # of the training speakers
    intrinsic: dict[str, dict[int, float]]  # surrogate -> number of points -> dimension
    clusters: dict[str, Scores]  # surrogate -> ratios; this and what follows of the held-out speakers
    steps: dict[Asked, Scores]  # one step ahead
    magnitudes: dict[Asked, Scores]  # one step ahead, by a regression of its own
    horizons: dict[Asked, Scores]  # 1, 2, 4 ... steps ahead, each predicted directly
    independent: Independent  # one step ahead where the answer is known


def diagnose(
    train: Feed, held_out: Feed, rms: float, say: Callable[[str], None] = lambda text: None
) -> Diagnosis:
    """Diagnose frames whose first surrogate is the real ones; ``say`` hears what is being done.

    Raises:
        InputError: too few training frames, or no utterance as long as the longest context and horizon.
    """
    say("sizes, memory and dimensions")
    scale = scale_of(train)
    looks, intrinsic = geometry(train, scale, rms), intrinsic_dimensions(train)
    say("clusters of contexts")
    clusters = cluster_scores(train, held_out, scale)
    contexts = contexts_for(len(scale.mean_D))
    say(f"one step ahead from {', '.join(map(str, contexts))} frames")
    steps = probe(train, held_out, scale, Horizon(contexts, (1,)))
    magnitudes = probe_magnitude(train, held_out, scale, contexts)
    ahead = powers_up_to(AHEAD_SECONDS * train.frame_rate)
    say(f"up to {ahead[-1]} steps ahead from {CONTEXT_AHEAD} frames")
    horizons = probe(train, held_out, scale, Horizon((CONTEXT_AHEAD,), ahead))
    independent = Independent.of(train, held_out, scale, CONTEXT_AHEAD)
    return Diagnosis(looks, intrinsic, clusters, steps, magnitudes, horizons, independent)


def contexts_for(dim: int) -> tuple[int, ...]:
    """Those of :data:`CONTEXTS` whose regressions are not too large to be solved, up to ``CONTEXT_AHEAD`` in
    any case.
    """
    return tuple(p for p in CONTEXTS if p <= CONTEXT_AHEAD or p * dim <= _MOST_INPUTS)


def powers_up_to(frames: float) -> tuple[int, ...]:
    """1, 2, 4 ... as far as ``frames``; 1 at least."""
    return tuple(1 << k for k in range(max(1, int(frames + 1e-9)).bit_length()))
