"""The diagnosis of a representation, before any predictor is trained on it, in two phases.

Phase 0 describes frames: their sizes and memory, how many dimensions they fill, and whether similar contexts
are followed by similar steps. Phase 1 predicts, with regressions in closed form, one step and further ahead.
A figure that could be taken for predictability stands beside the same figure on surrogates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainables.analysis.context_clusters import cluster_scores
from trainables.analysis.geometry import Geometry, geometry
from trainables.analysis.independent_frames import Independent
from trainables.analysis.intrinsic_dimension import intrinsic_dimensions
from trainables.analysis.linear_probe import Asked, ProbeSpan, probe
from trainables.analysis.magnitude_probe import probe_magnitude
from trainables.analysis.probe_cases import scale_of
from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.feed import Feed
from trainables.predictor.scores import Scores

CONTEXTS = (1, 4, 16)  # frames that a regression sees
CONTEXT_AHEAD = 4  # frames that a regression sees which predicts further ahead
_MOST_INPUTS = 2048  # of a regression, whose cost grows with their cube
AHEAD_SECONDS = 0.64  # furthest horizon, the same time in every representation


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All figures of a diagnosis; those that are means over frames are sums and counts per speaker.

    Attributes:
        geometry: of the training speakers.
        intrinsic: intrinsic dimension of training frames, by surrogate and number of points.
        clusters: cluster ratios of the held-out speakers, by surrogate; what follows is theirs too.
        steps: one step ahead.
        magnitudes: magnitudes one step ahead, by a regression of their own.
        horizons: 1, 2, 4 ... steps ahead, each predicted directly.
        independent: one step ahead where the answer is known.
    """

    geometry: Geometry
    intrinsic: dict[str, dict[int, float]]
    clusters: dict[str, Scores]
    steps: dict[Asked, Scores]
    magnitudes: dict[Asked, Scores]
    horizons: dict[Asked, Scores]
    independent: Independent


def diagnose_frames(
    train: Feed,
    held_out: Feed,
    rms: float,
    say: Callable[[str], None] = lambda text: None,
    flows: Mapping[str, FrameFlow] | None = None,
) -> Diagnosis:
    """The diagnosis of a representation.

    Args:
        train: frames of training speakers; the first of their surrogates is "real".
        held_out: frames of the speakers that are scored, with the same surrogates.
        rms: by which the frames have been divided.
        say: is called with what is being done.
        flows: densities of frames that know no past, by surrogate, to compare with one step ahead.

    Raises:
        InputError: too few training frames, or no utterance as long as the longest context and horizon.
    """
    say("sizes, memory and dimensions")
    scale = scale_of(train)
    shape, intrinsic = geometry(train, scale, rms), intrinsic_dimensions(train)
    say("clusters of contexts")
    clusters = cluster_scores(train, held_out, scale)
    contexts = contexts_for(len(scale.mean_D))
    say(f"one step ahead from {', '.join(map(str, contexts))} frames")
    steps = probe(train, held_out, scale, ProbeSpan(contexts, (1,)), flows)
    magnitudes = probe_magnitude(train, held_out, scale, contexts)
    ahead = powers_up_to(AHEAD_SECONDS * train.frame_rate)
    say(f"up to {ahead[-1]} steps ahead from {CONTEXT_AHEAD} frames")
    horizons = probe(train, held_out, scale, ProbeSpan((CONTEXT_AHEAD,), ahead))
    independent = Independent.of(train, held_out, scale, CONTEXT_AHEAD)
    return Diagnosis(
        geometry=shape,
        intrinsic=intrinsic,
        clusters=clusters,
        steps=steps,
        magnitudes=magnitudes,
        horizons=horizons,
        independent=independent,
    )


def contexts_for(dim: int) -> tuple[int, ...]:
    """The :data:`CONTEXTS` whose regressions are small enough to be solved, in ``dim`` dimensions.

    Contexts up to :data:`CONTEXT_AHEAD` frames are always among them.
    """
    return tuple(p for p in CONTEXTS if p <= CONTEXT_AHEAD or p * dim <= _MOST_INPUTS)


def powers_up_to(frames: float) -> tuple[int, ...]:
    """The powers of two 1, 2, 4 ... up to ``frames``; 1 in any case."""
    return tuple(1 << k for k in range(max(1, int(frames + 1e-9)).bit_length()))
