"""After confirmation: what the components of a learnt mixture are, to the ear (Research Discussion 7, section
9, question 3).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from orchestrator.execution.progress import Progress
from orchestrator.records.evidence import Evidence
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.threads import use_one_thread
from trainables.analysis.mixture_components import (
    ARCHETYPES,
    STEP_FEATURES,
    AcousticTracks,
    acoustics,
    archetype_steps,
    component_steps,
    exemplars,
    explained,
    profiles,
    shuffled,
)
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import LatentDataset, Split
from trainables.latents.storage.parquet_file import latent_frames
from trainables.listening.decode import decode_continuation, wav_bytes
from trainables.predictor.config import BRANCHING, Structure
from trainables.predictor.scores import LaneStatus

SHOWN, HEARD = 8, 3  # components, and clips of each
_CLIP_SECONDS, _WARM_UP_SECONDS = 0.6, 0.5
LaneWeights = Mapping[str, torch.Tensor]


def mixture_components(
    evidence: Evidence, dataset: LatentDataset, latents: RayLatents, archive: LaneStore, progress: Progress
) -> dict[str, Any]:
    """Acoustic profiles of the components of the first arm that is a mixture, of archetypes where none is,
    over steps of the test speakers, as plain data; clips are WAV files in base64.

    An arm speaks through its first finished replicate: components of two seeds have no common order.
    """
    if not (latents.ids.get(Split.TRAIN) and latents.ids.get(Split.TEST)):
        return {}
    for split in (Split.TRAIN, Split.TEST):
        latents.read(split)
    arm, structure, weights = _mixture(evidence, archive)
    tracks = dataset.tracks(Split.TEST)
    task = ray.remote(_profiled)
    found = ray.get(task.remote(latents.only(Split.TRAIN, Split.TEST), structure, weights, tracks))
    if dataset.meta.codec is not None:
        progress.say("decoding exemplars of the components")
        _decode(found, dataset, latents)
    return {"arm": arm, "archetypes": arm is None, "frame_rate": latents.frame_rate, **found}


def _mixture(
    evidence: Evidence, archive: LaneStore
) -> tuple[str | None, Structure | None, LaneWeights | None]:
    """The first arm with several components, and a lane of it; Nones where there is none."""
    for name, arm in evidence.arms.items():
        structure = arm.config.structure
        if structure.head not in BRANCHING or structure.components < 2:
            continue
        for replicate in arm.replicates:
            weights = archive.weights(replicate.key) if replicate.status == LaneStatus.FINISHED else None
            if weights is not None:
                return name, structure, weights
    return None, None, None


def _profiled(
    latents: RayLatents, structure: Structure | None, weights: LaneWeights | None, tracks: AcousticTracks
) -> dict[str, Any]:
    """Profiles, what they explain, and where exemplars are; the most frequent components first."""
    use_one_thread()
    test = feed(latents, Split.TEST, (Surrogate.REAL,), "cpu", torch.float32)
    if structure is None or weights is None:
        steps = archetype_steps(
            feed(latents, Split.TRAIN, (Surrogate.REAL,), "cpu", torch.float32), test, ARCHETYPES
        )
    else:
        steps = component_steps(structure, weights, test)
    rate, features, random = latents.frame_rate, acoustics(steps, tracks), shuffled(steps)
    order = np.argsort(-np.bincount(steps.primary, minlength=steps.components), kind="stable")[:SHOWN]
    real, null = (profiles(steps, features, labels, rate) for labels in (steps.primary, random))
    lengths = {utterance: len(own["energy"]) for utterance, own in tracks.items()}
    margin = round(_CLIP_SECONDS / 2 * rate)
    gating = steps.labels.get("gating")
    counts = np.bincount(steps.primary, minlength=steps.components)
    return {
        "components": steps.components,
        "shares": (counts / counts.sum()).tolist(),
        "features": [name for name in STEP_FEATURES if name in real[0].sums],
        "spread": {name: float(np.nanstd(features[name])) for name in STEP_FEATURES if name in real[0].sums},
        "agreement": None if gating is None else float((gating == steps.primary).mean()),
        "explained": {
            name: explained(steps, features, labels, rate).to_json()
            for name, labels in {**steps.labels, "random": random}.items()
        },
        "shown": [
            {
                "component": int(k),
                "profile": real[k].to_json(),
                "random": null[k].to_json(),
                "exemplars": [
                    {
                        "utterance_id": str(steps.utterance_N[row]),
                        "speaker_id": str(steps.speaker_N[row]),
                        "frame": int(steps.place_N[row]),
                        "seconds": float(steps.place_N[row] / rate),
                    }
                    for row in exemplars(steps, k, HEARD, margin, lengths)
                ],
            }
            for k in order
        ],
    }


def _decode(found: dict[str, Any], dataset: LatentDataset, latents: RayLatents) -> None:
    """Put a clip to every exemplar."""
    wanted = [example for own in found["shown"] for example in own["exemplars"]]
    pieces = _pieces(dataset, wanted)
    task = ray.remote(_spoken).options(scheduling_strategy=latents.near)
    clips = ray.get(task.remote((dataset.meta.codec, dataset.meta.weights), pieces))
    for example, clip in zip(wanted, clips, strict=True):
        example["clip"] = base64.b64encode(clip).decode()


def _pieces(dataset: LatentDataset, wanted: list[dict[str, Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames before the clip, for the codec's state, and the clip's own, around each step."""
    rate = dataset.meta.frame_rate
    half, before = round(_CLIP_SECONDS / 2 * rate), round(_WARM_UP_SECONDS * rate)
    frames: dict[str, np.ndarray] = {}
    for table in dataset.tables(Split.TEST, {example["utterance_id"] for example in wanted}):
        for i, utterance_id in enumerate(table["utterance_id"].to_pylist()):
            frames[utterance_id] = latent_frames(table["latents"].slice(i, 1))[0].astype(np.float32)
    found = []
    for example in wanted:
        own, first = frames[example["utterance_id"]], example["frame"] - half
        found.append((own[max(0, first - before) : first], own[first : first + 2 * half + 1]))
    return found


def _spoken(codec_of: tuple[str, str | None], pieces: list[tuple[np.ndarray, np.ndarray]]) -> list[bytes]:
    use_one_thread()
    codec = load_codec(*codec_of)
    return [wav_bytes(decode_continuation(codec, *piece)[1], codec.sample_rate) for piece in pieces]
