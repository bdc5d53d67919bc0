"""The pieces of test speech that are continued and listened to, the same for every arm.

Shapes: B clips, C frames of context, K frames of continuation, T = C + K, D latent dimensions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch

from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.shard import Shard, utterance_rows
from trainables.latents.codecs.base import Codec
from trainables.latents.encode_recording import read_audio
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.storage.dataset import LatentDataset, Split
from trainables.latents.storage.parquet_file import of_control_world
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.continuation import continue_from

CONTEXT_SECONDS, ROLLOUT_SECONDS = 2.0, 1.0
SCORED = 24  # clips
_OTHERS = 5  # clips that each is compared with, as chance


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A piece of a test utterance: C frames of context, then K that a predictor is to continue with."""

    utterance_id: str
    speaker_id: str
    raw_TD: np.ndarray  # C + K frames, in the codec's units
    normalised_CD: np.ndarray  # the context as predictors see it
    start: int  # its first frame within the utterance
    seconds: float  # of context
    source: Path | None = None  # the recording, where its file still exists


def choose_clips(dataset: LatentDataset, configs: Sequence[LaneConfig], count: int = SCORED) -> list[Clip]:
    """The middle parts of up to ``count`` test utterances, taking turns over the speakers.

    Empty where no test utterance is long enough for context and continuation.
    """
    rate = dataset.meta.frame_rate
    longest = max((c.structure.context for c in configs if c.trainable.forecasts), default=0)
    context, rollout = max(longest, round(CONTEXT_SECONDS * rate)), max(1, round(ROLLOUT_SECONDS * rate))
    wanted = _taking_turns(dataset, context + rollout)[:count]
    if not wanted:
        return []
    tables = list(dataset.tables(Split.TEST, wanted))
    shard = Shard.from_tables(tables, rms=dataset.rms, lattice_step=dataset.meta.lattice_step)
    recordings = _recordings(dataset.meta.source)
    clips = []
    for utterance, speaker, stored in utterance_rows(tables):
        frames = stored.astype(np.float32)
        row, start = shard.ids.index(utterance), (len(frames) - context - rollout) // 2
        clip = Clip(
            utterance_id=utterance,
            speaker_id=speaker,
            raw_TD=frames[start : start + context + rollout],
            normalised_CD=shard.frames_SND[0, shard.offsets[row] + start :][:context].numpy(),
            start=start,
            seconds=context / rate,
            source=recordings.get(utterance),
        )
        clips.append(clip)
    return sorted(clips, key=lambda clip: wanted.index(clip.utterance_id))


def _taking_turns(dataset: LatentDataset, frames: int) -> list[str]:
    """Test utterances of at least ``frames`` frames: the first of each speaker, then the second and so on."""
    index = dataset.index
    long = pc.and_(pc.equal(index["split"], Split.TEST), pc.greater_equal(index["num_frames"], frames))
    seen: Counter[str] = Counter()
    order = []
    for row in sorted(index.filter(long).to_pylist(), key=lambda row: row["utterance_id"]):
        order.append((seen[row["speaker_id"]], row["speaker_id"], row["utterance_id"]))
        seen[row["speaker_id"]] += 1
    return [utterance for _, _, utterance in sorted(order)]


def heard_structure(structure: Structure, feedback: str, details: Mapping[str, Any]) -> Structure:
    """The settings with which a lane's continuations are heard.

    Args:
        structure: of the lane.
        feedback: what is fed back, where that is not what the structure says; empty where it is.
        details: of the lane's result, with the temperature that suited validation speakers, where it was
            swept.
    """
    if not feedback:
        return structure
    at = float(details.get("temperature", structure.temperature))
    return replace(structure, feedback=feedback, rollout_branches="drawn", temperature=at)


def continued(
    clips: Sequence[Clip],
    structure: Structure,
    weights: Mapping[str, torch.Tensor],
    number: int,
    rms: float,
) -> np.ndarray:
    """The latents [B, K, D], in the codec's units, with which a trained lane continues clips.

    Args:
        clips: that are continued, all of one length and over the length of their own continuation.
        structure: of the lane.
        weights: of the lane, by name.
        number: tells apart the noise of several continuations of a clip.
        rms: by which frames were divided.
    """
    context_BCD = torch.from_numpy(np.stack([clip.normalised_CD for clip in clips]))
    frames = len(clips[0].raw_TD) - context_BCD.shape[1]
    names = [f"{clip.utterance_id}/{number}" for clip in clips]
    precise_BCD = context_BCD.to(getattr(torch, structure.dtype))
    return continue_from(structure, weights, precise_BCD, frames, names).numpy() * rms


def kind_of_sound(representation: str) -> str:
    """What decoded frames are to a listener: the tones of a control world, or speech."""
    return "tones" if of_control_world(representation) else "speech"


def others_of(continuations: Sequence[np.ndarray], index: int) -> list[np.ndarray]:
    """The next few true continuations after that of clip ``index``, cyclically and without it."""
    count = len(continuations)
    return [continuations[(index + step) % count] for step in range(1, min(_OTHERS, count - 1) + 1)]


def original(clip: Clip, codec: Codec) -> np.ndarray | None:
    """The audio of the recording over the length of the clip; None where it can no longer be read."""
    if clip.source is None:
        return None
    try:
        audio = read_audio(clip.source, codec.sample_rate)
    except InputError:
        return None
    first, last = (
        round(f * codec.sample_rate / codec.frame_rate) for f in (clip.start, clip.start + len(clip.raw_TD))
    )
    return audio[first:last]


def _recordings(source: str | None) -> dict[str, Path]:
    """The files of the recordings, by utterance; empty where their folder is gone."""
    if source is None:
        return {}
    try:
        return {recording.utterance_id: recording.path for recording in find_corpus(Path(source)).recordings}
    except InputError:
        return {}
