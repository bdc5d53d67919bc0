"""How the continuations of confirmed predictors sound, and how well they match the true audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.progress import Progress
from orchestrator.inspection.clips import (
    SCORED,
    Clip,
    choose_clips,
    continued,
    heard_structure,
    original,
    others_of,
)
from orchestrator.judging.quality_floor import FLOORS
from orchestrator.records.evidence import ArmEvidence, Evidence, Exhibit
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.threads import use_one_thread
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import LatentDataset
from trainables.latents.storage.parquet_file import of_control_world
from trainables.listening.continuation_quality import continuation_quality
from trainables.listening.decode import decode_continuation, wav_bytes
from trainables.predictor.config import Structure
from trainables.predictor.scores import LaneStatus

HEARD = 4  # clips to hear in the report


def score_continuations(
    evidence: Evidence,
    arms: Sequence[ArmEvidence],
    dataset: LatentDataset,
    latents: RayLatents,
    archive: LaneStore,
    progress: Progress,
    most: int = SCORED,
) -> None:
    """Score how every replicate of ``arms`` continues the same test utterances, ``most`` at most, and keep a
    few to listen to.

    The qualities and exhibits are added to ``evidence``. Without a codec nothing can be decoded or scored.
    """
    if dataset.meta.codec is None or not arms:
        return
    # The tones of a control world decide nothing, and were never recorded: what can be heard is all there is.
    recorded = not of_control_world(dataset.meta.representation)
    count = most if recorded else HEARD
    clips = choose_clips(dataset, [arm.config for arm in arms], count)
    if len(clips) < 2:
        progress.say("nothing to listen to: fewer than two test utterances are long enough")
        return
    before = len(evidence.exhibits)
    go_on, speak, score = (
        ray.remote(f).options(scheduling_strategy=latents.near) for f in (_continuations, _speak, _score)
    )
    codec = (dataset.meta.codec, dataset.meta.weights)
    shown = ray.put(clips)
    going_on = [go_on.remote(_voice(arm, evidence.continuation, archive), shown, latents.rms) for arm in arms]
    spoken = ray.get([speak.remote(codec, clip) for clip in clips])
    truths = [audio[start:] for audio, start in spoken]
    made = {
        (arm.name, replicate): latents_BKD
        for arm, of_arm in zip(arms, ray.get(going_on), strict=True)
        for replicate, latents_BKD in of_arm.items()
    }
    mean_D = np.concatenate([clip.raw_TD[: len(clip.normalised_CD)] for clip in clips]).mean(0)
    tasks = [
        score.remote(
            codec,
            clip,
            whole,
            truths[i],
            others_of(truths, i),
            {key: latents_BKD[i] for key, latents_BKD in made.items()},
            mean_D,
            i < HEARD,
        )
        for i, (clip, (whole, _)) in enumerate(zip(clips, spoken, strict=True))
    ]
    for clip, (qualities, floors, exhibit) in zip(clips, ray.get(tasks), strict=True):
        for (arm, replicate), quality in qualities.items():
            evidence.arms[arm].replicates[replicate].listening.append(
                {
                    "utterance_id": clip.utterance_id,
                    "speaker_id": clip.speaker_id,
                    "continuation_quality": quality,
                    **floors,
                }
            )
        if exhibit is not None:
            evidence.exhibits.append(exhibit)
    if recorded and not all("original" in exhibit.clips for exhibit in evidence.exhibits[before:]):
        place = f"at {dataset.meta.source}" if dataset.meta.source else "available"
        progress.say(f"the originals are left out: their audio is no longer {place}")


@dataclass(frozen=True)
class Voice:
    """An arm's predictors, which continue clips: structure and weights of finished replicates by number."""

    structures: dict[int, Structure]
    weights: dict[int, dict[str, torch.Tensor]]


def _voice(arm: ArmEvidence, feedback: str, archive: LaneStore) -> Voice:
    finished = {i: r for i, r in enumerate(arm.replicates) if r.status == LaneStatus.FINISHED}
    loaded = {i: archive.weights(r.key) for i, r in finished.items()}
    return Voice(
        {i: heard_structure(arm.config.structure, feedback, r.details) for i, r in finished.items()},
        {i: state for i, state in loaded.items() if state is not None},
    )


@lru_cache(maxsize=1)
def _codec(name: str, weights: str | None) -> Any:
    use_one_thread()
    return load_codec(name, weights)


def _continuations(voice: Voice, clips: Sequence[Clip], rms: float) -> dict[int, np.ndarray]:
    """The latents [B, K, D] with which an arm continues the clips, by replicate: one by one, each clip would
    take as long as all.
    """
    use_one_thread()
    return {
        number: continued(clips, voice.structures[number], weights, number, rms)
        for number, weights in voice.weights.items()
    }


def _speak(codec_of: tuple[str, str | None], clip: Clip) -> tuple[np.ndarray, int]:
    """The codec's own reconstruction of a clip, and the sample at which its continuation starts."""
    context = len(clip.normalised_CD)
    whole, continuation = decode_continuation(_codec(*codec_of), clip.raw_TD[:context], clip.raw_TD[context:])
    return whole, len(whole) - len(continuation)


def _score(
    codec_of: tuple[str, str | None],
    clip: Clip,
    whole: np.ndarray,
    truth: np.ndarray,
    others: Sequence[np.ndarray],
    continuations: Mapping[tuple[str, int], np.ndarray],
    mean_D: np.ndarray,
    heard: bool,
) -> tuple[dict[tuple[str, int], float], dict[str, float], Exhibit | None]:
    """The quality of every replicate's continuation of a clip, that of the floors, and the clip as an exhibit
    if it is ``heard``.

    A continuation that is not finite has no audio and no quality: it is missing, not zero.
    """
    codec = _codec(*codec_of)
    context = len(clip.normalised_CD)
    true = original(clip, codec) if heard else None
    sounds = {} if true is None else {"original": wav_bytes(true, codec.sample_rate)}
    sounds["codec reconstruction"] = wav_bytes(whole, codec.sample_rate)
    still = clip.raw_TD[context - 1], mean_D
    floors = {}
    for name, frame_D in zip(FLOORS, still, strict=True):
        frames_KD = np.repeat(frame_D[None].astype(np.float32), len(clip.raw_TD) - context, 0)
        _, standing = decode_continuation(codec, clip.raw_TD[:context], frames_KD)
        floors[name] = continuation_quality(truth, standing, others, codec.sample_rate)
    qualities = {}
    for (arm, replicate), latents_KD in continuations.items():
        if not np.isfinite(latents_KD).all():
            continue
        audio, continuation = decode_continuation(codec, clip.raw_TD[:context], latents_KD)
        qualities[arm, replicate] = continuation_quality(truth, continuation, others, codec.sample_rate)
        if replicate == 0:
            sounds[arm] = wav_bytes(audio, codec.sample_rate)
    exhibit = Exhibit(clip.utterance_id, clip.speaker_id, clip.seconds, sounds) if heard else None
    return qualities, floors, exhibit
