"""What trained heads, as opposed to regressions in closed form, learn about the next frame.

Each head is a pack with a lane on the real frames and one on each surrogate. Teacher forcing alone trains it,
in the loop that trains every predictor, and the same evaluation scores it. Nothing is chosen: neither
validation nor test speakers decide when training ends. So a head that is trained too little, or on too few
frames, may know less than its own marginal, and its information is then below zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.options import ONE_STEP
from trainables.predictor.scores import Scores
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

# What all heads have in common. Training sees windows of context + rollout frames; scored windows have
# context + horizon frames, of which the first ``context`` are only seen.
_SHARED = Structure(
    head="mdn",
    backbone="gru",
    width=64,
    depth=1,
    components=4,
    context=16,
    rollout=16,
    horizon=16,
    batch=32,
    steps=50,
    teacher_epochs=8,
    rollout_epochs=0,
)
LANE = Lane(learning_rate=6e-3, weight_decay=1e-2)
STRUCTURES: Mapping[str, Structure] = {head: replace(_SHARED, head=head) for head in ("mdn", "vmf")}


def head_scores(
    structure: Structure,
    train: Feed,
    held_out: Feed,
    device: str = "cpu",
    flows: Mapping[str, FrameFlow] | None = None,
) -> dict[str, Scores]:
    """One-step scores of a head on the held-out speakers, by surrogate; a lane that diverged is left out.

    Args:
        structure: one of :data:`STRUCTURES`.
        train: frames of training speakers, float32, as ``structure.dtype`` says.
        held_out: frames of the speakers that are scored, float32, with the same surrogates.
        device: on which the head is trained.
        flows: densities of frames that know no past, by surrogate, to compare with as well.

    Raises:
        InputError: no training utterance is as long as a window.
    """
    lanes = [replace(LANE, surrogate=name) for name in train.surrogates]
    results = train_pack(
        structure,
        lanes,
        train,
        held_out,
        SoloContext(device),
        evaluate_each_epoch=False,
        final=ONE_STEP,
        flows=flows,
    )
    return {
        lane.surrogate: Scores.from_json(result.scores)
        for lane, result in zip(lanes, results, strict=True)
        if result.scores is not None
    }


def head_in_words(structure: Structure) -> str:
    """A clause that says how a head is trained."""
    steps = structure.steps * structure.teacher_epochs
    mixture = f" of {structure.components} components" if structure.head == "mdn" else ""
    return (
        f"{structure.head}{mixture} on a {structure.backbone.upper()} of width {structure.width}, teacher "
        f"forcing for {steps} steps of {structure.batch} windows of {structure.context + structure.rollout} "
        f"frames, AdamW at {LANE.learning_rate:g} with weight decay {LANE.weight_decay:g}"
    )
