"""How probable rolled-out states are as single frames, measured after confirmation.

Source: Research Discussion 7, section 9, question 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, constants, feed
from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER, fit_auxiliaries
from orchestrator.execution.progress import Progress
from orchestrator.inspection.clips import Clip, choose_clips
from orchestrator.records.code_versions import code_version
from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.threads import use_one_thread
from trainables.analysis.frame_density import OFF, FrameDensity, shared_density
from trainables.analysis.frame_likelihoods import (
    NOISE,
    dithered_frames,
    frame_scores,
    reference_scores,
    rollout_scores,
)
from trainables.analysis.probe_cases import scale_of
from trainables.distributions.frame_flow import settings_for
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import SPLITS, LatentDataset, Split
from trainables.latents.storage.parquet_file import Utterance, of_control_world, utterance_table
from trainables.predictor.config import Structure
from trainables.predictor.scores import LaneStatus, Scores

_WARM_UP = 0.5  # seconds that a codec's state needs before its second encoding can be compared


def densities(
    evidence: Evidence, dataset: LatentDataset, latents: RayLatents, archive: LaneStore, progress: Progress
) -> dict[str, Any]:
    """Log densities of true, spoilt, reconstructed and rolled-out frames, per test speaker, as plain data.

    Empty where a split holds no utterance.
    The density is fitted once for the same data and code, and kept beside the runs.
    """
    if not all(latents.ids.get(split) for split in SPLITS):
        return {}
    latents.read(Split.TEST)
    fit_flows(latents, archive.folder.parent / AUXILIARIES_FOLDER, progress.say, surrogates=(Surrogate.REAL,))
    fitted = latents.flows[Surrogate.REAL]
    shared, test = ray.put(fitted), latents.only(Split.TRAIN, Split.TEST)
    references = ray.remote(_references).remote(test, shared)
    reconstructed = _reconstructed(evidence, dataset, latents, shared)
    runs = {
        name: [
            (replicate.seed, _rolled_out(test, shared, arm, archive.weights(replicate.key)))
            for replicate in arm.replicates
            if replicate.status == LaneStatus.FINISHED
        ]
        for name, arm in evidence.arms.items()
    }
    scored, settings = ray.get(references), settings_for(dataset.meta.dim)
    return {
        "frame_rate": latents.frame_rate,
        "noise": NOISE,
        "off": OFF,
        "settings": {**asdict(settings), "hidden": list(settings.hidden)},
        "steps": fitted["steps"],
        **scored,
        "reconstructed": None if reconstructed is None else ray.get(reconstructed),
        "arms": {
            name: [{"seed": seed, "scores": None if task is None else ray.get(task)} for seed, task in tasks]
            for name, tasks in runs.items()
        },
    }


def fit_flows(
    latents: RayLatents,
    folder: Path,
    say: Callable[[str], None],
    most_steps: int | None = None,
    surrogates: Sequence[Surrogate] = (Surrogate.REAL, Surrogate.GAUSSIAN),
) -> None:
    """Fit densities of single frames, which know no past, to real frames and to the Gaussian surrogate's.

    They are kept in ``folder`` and ``latents``, and not fitted twice for the same data and code. Shuffled
    frames are the real ones in another order, and share their density.

    Args:
        latents: whose training frames they are fitted to, and whose validation speakers tell when to stop.
        folder: where they are kept.
        say: is told of it.
        most_steps: of training; None stands for as many as suit the dimensions.
        surrogates: the real frames, and whatever else a density is wanted of.
    """
    wanted = [shared_density(name, most_steps) for name in surrogates if name not in latents.flows]
    states = fit_auxiliaries(wanted, latents, code_version(), folder, say)
    latents.flows.update(zip((each.surrogate for each in wanted), states, strict=True))
    latents.flows[Surrogate.WHITE] = latents.flows[Surrogate.REAL]


def _real(latents: RayLatents, split: Split) -> Feed:
    return feed(latents, split, (Surrogate.REAL,), "cpu", torch.float32)


def _references(latents: RayLatents, state: Mapping[str, Any]) -> dict[str, Any]:
    use_one_thread()
    density = FrameDensity.from_state(state)
    train, test = (_real(latents, split) for split in (Split.TRAIN, Split.TEST))
    scores = reference_scores(density, test, scale_of(train))
    mean = float(density.log_prob(density.gaussian.mean_D.unsqueeze(0)))
    return {"frames": {name: of_frames.to_json() for name, of_frames in scores.items()}, "mean_frame": mean}


def _rolled_out(
    latents: RayLatents, state: ray.ObjectRef, arm: ArmEvidence, weights: dict[str, torch.Tensor] | None
) -> ray.ObjectRef | None:
    """The task that scores one lane's rollouts; None where the archive has lost its weights."""
    if weights is None:
        return None
    return ray.remote(_roll_out).remote(latents, state, arm.config.structure, weights)


def _roll_out(
    latents: RayLatents, state: Mapping[str, Any], structure: Structure, weights: Mapping[str, torch.Tensor]
) -> dict[str, Any] | None:
    """The scores of a lane's rollouts; None where one of them is no longer finite."""
    use_one_thread()
    test = _real(latents, Split.TEST)
    scores = rollout_scores(FrameDensity.from_state(state), structure, weights, test)
    return scores.to_json() if _is_finite(scores) else None


def _is_finite(scores: Scores) -> bool:
    return all(math.isfinite(float(np.sum(values))) for values in scores.sums.values())


def _reconstructed(
    evidence: Evidence, dataset: LatentDataset, latents: RayLatents, state: ray.ObjectRef
) -> ray.ObjectRef | None:
    """The task that encodes clips again, run where the codec's weights are.

    None where nothing can be decoded or encoded, or no test utterance is long enough.
    """
    meta = dataset.meta
    if meta.codec is None or of_control_world(meta.representation):
        return None
    clips = choose_clips(dataset, [arm.config for arm in evidence.arms.values()])
    if not clips:
        return None
    task = ray.remote(_encode_again).options(scheduling_strategy=latents.near)
    return task.remote((meta.codec, meta.weights), clips, constants(latents), state)


def _encode_again(
    codec_of: tuple[str, str | None],
    clips: list[Clip],
    settings: Mapping[str, Any],
    state: Mapping[str, Any],
) -> dict[str, Any]:
    """The scores of clips as they were (``before``) and of the same frames decoded and encoded ``again``."""
    use_one_thread()
    density, codec = FrameDensity.from_state(state), load_codec(*codec_of)
    frame_rate = settings["frame_rate"]
    before = [clip.raw_TD for clip in clips]
    again = [codec.encode(codec.decode(frames))[: len(frames)] for frames in before]
    before = [frames[: len(made)] for frames, made in zip(before, again, strict=True)]
    scores = {}
    for name, frames in (("before", before), ("again", again)):
        shard = _as_stored(clips, frames, settings)
        judged, speakers = dithered_frames(shard, round(_WARM_UP * frame_rate))
        scores[name] = frame_scores(density, judged, speakers, frame_rate).to_json()
    return scores


def _as_stored(clips: list[Clip], frames: list[np.ndarray], settings: Mapping[str, Any]) -> Shard:
    """The frames of clips, rounded, dithered and scaled like those that predictors read."""
    rows = []
    for clip, frames_TD in zip(clips, frames, strict=True):
        unknown_T = np.full(len(frames_TD), np.nan, np.float32)
        tracks = (unknown_T, unknown_T, unknown_T)
        rows.append(Utterance(clip.utterance_id, clip.speaker_id, Split.TEST, frames_TD, *tracks))
    table = utterance_table(rows, frames[0].shape[1], settings["frame_rate"])
    return Shard.from_tables([table], rms=settings["rms"], lattice_step=settings["lattice_step"])
